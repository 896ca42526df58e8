// Text in JSON: the names in a manifest may hold any letter.
#pragma once

#include <cstdint>
#include <string>

// A character as UTF-8.
inline std::string utf8(uint32_t code) {
  if (code < 0x80) return {static_cast<char>(code)};
  std::string text;
  for (; code >= 0x40u >> text.size(); code >>= 6) text.insert(text.begin(), static_cast<char>(0x80 | (code & 0x3F)));
  const uint32_t lead = 0xF00u >> (text.size() + 1);  // as many ones as there are bytes
  return static_cast<char>((lead | code) & 0xFF) + text;
}

// What stands for what between the quotation marks of a JSON text: \" is ", \u00e9 is é.
inline std::string unescaped(const std::string& json) {
  const std::string from = "bfnrt", to = "\b\f\n\r\t";
  const auto hex = [&](size_t at) { return static_cast<uint32_t>(std::stoul(json.substr(at, 4), nullptr, 16)); };
  std::string text;
  for (size_t i = 0; i < json.size(); ++i) {
    if (json[i] != '\\' || i + 1 == json.size()) {
      text += json[i];
    } else if (json[++i] != 'u') {
      const size_t known = from.find(json[i]);
      text += known == std::string::npos ? json[i] : to[known];
    } else {
      uint32_t code = hex(i + 1);
      i += 4;
      if (code >> 10 == 0xD800 >> 10) {  // the first of two halves
        code = 0x10000 + ((code & 0x3FF) << 10) + (hex(i + 3) & 0x3FF);
        i += 6;
      }
      text += utf8(code);
    }
  }
  return text;
}

// The text between the first and the last quotation mark of a line, or the line.
inline std::string unquoted(const std::string& line) {
  const size_t first = line.find('"'), last = line.rfind('"');
  return first == last ? line : unescaped(line.substr(first + 1, last - first - 1));
}
