// What a file says of its heads, by the manifest that travels inside it: JSON, two spaces for each level.
#pragma once

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

// A head: what its graph answers, and what comes after it ("postprocess": options by step).
struct Head {
  std::string name, kind, unit;
  std::vector<std::string> classes;
  std::map<std::string, std::map<std::string, double>> steps;
  double score_threshold = 0;  // answers below are not shown unless somebody asks for them
};

// The text between the first and the last quotation mark of a line, or the line.
inline std::string unquoted(const std::string& text) {
  const size_t first = text.find('"'), last = text.rfind('"');
  return first == last ? text : text.substr(first + 1, last - first - 1);
}

// Throws, naming the head, where these programs do not know what its arrays become: an unknown kind or step.
inline void refuse_unknown(const Head& head) {
  static const std::set<std::string> kinds{"ClassMap", "ScalarMap", "NormalMap", "Boxes", "Keypoints", "Tag", "Quantity"};
  static const std::set<std::string> steps{"nms", "trace_lines", "top_instances"};
  std::string unknown = kinds.count(head.kind) ? "" : "the kind " + head.kind;
  for (const auto& [step, options] : head.steps)
    if (!steps.count(step)) unknown = "the step " + step;
  if (!unknown.empty())
    throw std::runtime_error("head " + head.name + " has " + unknown + ", which this program does not know; export " +
                             "the other heads (--heads), or use hydranet.Predictor");
}

// The height and width that the graph takes: of a frame that it fits itself (--fit), else its own; 0 0 = any size.
inline std::pair<int, int> size_of(const std::string& manifest) {
  const size_t begin = manifest.find("\n  \"input\": {");
  if (begin == std::string::npos) return {0, 0};
  const std::string input = manifest.substr(begin, manifest.find("\n  }", begin) - begin);
  std::smatch found;
  const auto sides = [&](const std::string& name) {
    return std::regex_search(input, found, std::regex("\n    \"" + name + "\": \\[\\s*(\\d+),\\s*(\\d+)\\s*\\]"));
  };
  const bool any = input.find("\n    \"dynamic\": true") != std::string::npos;
  if (sides("frame") || (!any && sides("size"))) return {std::stoi(found[1]), std::stoi(found[2])};
  return {0, 0};
}

// Throws where a frame has another size than the graph takes.
inline void refuse_size(const std::string& manifest, int height, int width) {
  const auto [rows, columns] = size_of(manifest);
  if (!rows || (rows == height && columns == width)) return;
  const auto text = [](int a, int b) { return std::to_string(a) + "x" + std::to_string(b); };
  const std::string given = text(height, width), cure = "; resize it, or export with --fit letterbox --frame ";
  throw std::runtime_error("got a frame of " + given + " (height x width), expected " + text(rows, columns) + cure + given);
}

inline std::vector<Head> heads_of(const std::string& manifest) {
  const size_t begin = manifest.find("\n  \"heads\": {");
  if (begin == std::string::npos) throw std::runtime_error("this file holds no manifest; export the run again");
  std::istringstream lines(manifest.substr(begin + 1, manifest.find("\n  }", begin + 1) - begin));
  std::vector<Head> heads;
  std::string line, section, step;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const size_t indent = line.find_first_not_of(' ');
    if (indent == std::string::npos || line[indent] == '}' || line[indent] == ']') continue;
    if (line.back() == ',') line.pop_back();
    const size_t colon = section == "classes" && indent > 6 ? std::string::npos : line.find("\": ");
    const std::string key = colon == std::string::npos ? "" : line.substr(indent + 1, colon - indent - 1);
    const std::string value = colon == std::string::npos ? line.substr(indent) : line.substr(colon + 3);
    if (indent == 4) {
      heads.push_back({});
      heads.back().name = key;
    } else if (indent == 6) {
      section = key;
      if (key == "kind") heads.back().kind = unquoted(value);
      if (key == "score_threshold") heads.back().score_threshold = std::stod(value);
    } else if (section == "classes") {
      heads.back().classes.push_back(unquoted(value));
    } else if (section == "metadata" && key == "unit") {
      heads.back().unit = unquoted(value) == "\"\"" ? "" : unquoted(value);
    } else if (section == "postprocess" && indent == 8) {
      heads.back().steps[step = key];
    } else if (section == "postprocess") {
      heads.back().steps[step][key] = std::stod(value);
    }
  }
  for (const Head& head : heads) refuse_unknown(head);
  return heads;
}
