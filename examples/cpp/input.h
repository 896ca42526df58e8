// What a file takes: the size of its frames, and where they lie in what the network sees.
#pragma once

#include <regex>
#include <stdexcept>
#include <string>
#include <utility>

#include "letterbox.h"

// The part of a manifest on its input.
inline std::string input_of(const std::string& manifest) {
  const size_t begin = manifest.find("\n  \"input\": {");
  return begin == std::string::npos ? "" : manifest.substr(begin, manifest.find("\n  }", begin) - begin);
}

// A height and a width of the input by their name; 0 0 where they are not there.
inline std::pair<int, int> sides_of(const std::string& input, const std::string& name) {
  std::smatch found;
  const std::regex sides("\n    \"" + name + "\": \\[\\s*(\\d+),\\s*(\\d+)\\s*\\]");
  if (!std::regex_search(input, found, sides)) return {0, 0};
  return {std::stoi(found[1]), std::stoi(found[2])};
}

// The height and width that the graph takes: of a frame that it fits itself (--fit), else its own; 0 0 = any size.
inline std::pair<int, int> size_of(const std::string& manifest) {
  const std::string input = input_of(manifest);
  const auto frame = sides_of(input, "frame");
  if (frame.first || input.find("\n    \"dynamic\": true") != std::string::npos) return frame;
  return sides_of(input, "size");
}

// Throws where a frame has another size than the graph takes.
inline void refuse_size(const std::string& manifest, int height, int width) {
  const auto [rows, columns] = size_of(manifest);
  if (!rows || (rows == height && columns == width)) return;
  const auto text = [](int a, int b) { return std::to_string(a) + "x" + std::to_string(b); };
  const std::string given = text(height, width), cure = "; resize it, or export with --fit letterbox --frame ";
  throw std::runtime_error("got a frame of " + given + " (height x width), expected " + text(rows, columns) + cure + given);
}

// From pixels of what the network sees to pixels of the frame: they differ where the graph fits frames itself (--fit).
inline Place place_in_frame(const std::string& manifest) {
  const std::string input = input_of(manifest);
  const auto [frame_height, frame_width] = sides_of(input, "frame");
  if (!frame_height) return {};
  const auto [height, width] = sides_of(input, "size");
  const Window whole{0, 0, frame_width, frame_height};
  const bool stretched = input.find("\n    \"fit\": \"stretch\"") != std::string::npos;
  return place_of(stretched ? Fit{0, 0, height, width} : fit_of(whole, height, width), whole);
}
