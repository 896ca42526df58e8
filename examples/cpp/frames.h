// What both programs share: reading a frame, writing arrays, and the boxes that are left after suppression.
// No library is needed; a robot would take frames from its camera and keep the arrays.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "distance.h"

// An image: 8-bit RGB, row by row, as `hydranet export` expects it (layout bhwc).
struct Frame {
  int height = 0, width = 0;
  std::vector<uint8_t> rgb;
};

// Reads a binary PPM file ("P6"): `ffmpeg -i street.png street.ppm`.
inline Frame read_ppm(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string kind;
  Frame frame;
  int most = 0;
  file >> kind >> frame.width >> frame.height >> most;
  file.get();  // the one white space before the pixels
  frame.rgb.resize(static_cast<size_t>(std::max(0, frame.height)) * static_cast<size_t>(std::max(0, frame.width)) * 3);
  file.read(reinterpret_cast<char*>(frame.rgb.data()), static_cast<std::streamsize>(frame.rgb.size()));
  if (!file || kind != "P6" || most != 255 || frame.rgb.empty())
    throw std::runtime_error(path + " is no binary 8-bit PPM image (P6)");
  return frame;
}

// Writes an array as numpy reads it. type: "<f4", "<i8", "|u1", ...; bytes: of the whole array.
inline void write_npy(const std::string& path, const std::string& type, const std::vector<int64_t>& shape,
                      const void* data, size_t bytes) {
  std::string sides;
  for (int64_t side : shape) sides += std::to_string(side) + ",";
  std::string head = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + sides + "), }";
  head.resize((head.size() + 11 + 63) / 64 * 64 - 11, ' ');  // the data begin at a multiple of 64
  head += '\n';
  const uint16_t length = static_cast<uint16_t>(head.size());
  std::ofstream file(path, std::ios::binary);
  file.write("\x93NUMPY\x01\x00", 8);
  file.put(static_cast<char>(length & 255)).put(static_cast<char>(length >> 8));
  file << head;
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  if (!file) throw std::runtime_error("cannot write " + path);
}

// One box: left, top, right, bottom in pixels of what the network saw; label -1 = none.
struct Box {
  const float* xyxy;
  int64_t label;
  float score;
};

// What becomes of a head's candidates. Below 0, and 0: as the file says (`limits_of` in answers.h).
struct Limits {
  float least_score = -1;     // boxes, lines, points below are dropped ("score_threshold")
  double most_overlap = -1;   // of two boxes of a class that overlap more, the better one stays ("iou_threshold")
  size_t limit = 0;           // how many are kept ("max_detections")
  size_t candidates = 0;      // how many of the best are looked at ("pre_nms_topk")
};

// From the words of a command line, as far as there are any, in the order above.
inline Limits read_limits(int count, char** words, int first) {
  Limits found;
  if (count > first) found.least_score = std::stof(words[first]);
  if (count > first + 1) found.most_overlap = std::stod(words[first + 1]);
  if (count > first + 2) found.limit = std::stoul(words[first + 2]);
  if (count > first + 3) found.candidates = std::stoul(words[first + 3]);
  return found;
}

// Whether two boxes overlap by more than a share of what they cover together.
inline bool rivals(const Box& a, const Box& b, double share) {
  const auto side = [](double from, double to) { return std::max(to - from, 0.0); };
  const auto area = [&](const Box& c) { return side(c.xyxy[0], c.xyxy[2]) * side(c.xyxy[1], c.xyxy[3]); };
  const double common = side(std::max(a.xyxy[0], b.xyxy[0]), std::min(a.xyxy[2], b.xyxy[2])) *
                        side(std::max(a.xyxy[1], b.xyxy[1]), std::min(a.xyxy[3], b.xyxy[3]));
  return common > share * (area(a) + area(b) - common);
}

// Best first; of equal scores the lower class, then the box further left. What is no number comes last.
inline bool better(const Box& a, const Box& b) {
  const auto last = [](float x) { return std::isnan(x) ? std::numeric_limits<float>::infinity() : x; };
  const auto key = [&](const Box& c) {
    return std::make_tuple(last(-c.score), c.label, last(c.xyxy[0]), last(c.xyxy[1]), last(c.xyxy[2]), last(c.xyxy[3]));
  };
  return key(a) < key(b);
}

// Greedy non-maximum suppression within each class: what `hydranet.postprocess.nms.nms` does. Files exported with
// --nms inside did it themselves: with their limit or a larger one it changes nothing there.
inline std::vector<Box> suppressed(const float* xyxy, const int64_t* label, const float* score, size_t count,
                                   const Limits& limits) {
  std::vector<Box> found, kept;
  for (size_t i = 0; i < count; ++i) found.push_back({xyxy + 4 * i, label[i], score[i]});
  std::stable_sort(found.begin(), found.end(), better);
  found.resize(std::min(count, limits.candidates), Box{});
  for (const Box& box : found) {
    if (kept.size() >= limits.limit) break;
    const bool finite = std::all_of(box.xyxy, box.xyxy + 4, [](float x) { return std::isfinite(x); });
    if (box.label < 0 || !finite || !(box.score >= limits.least_score)) continue;
    const auto rival = [&](const Box& k) { return k.label == box.label && rivals(k, box, limits.most_overlap); };
    if (std::none_of(kept.begin(), kept.end(), rival)) kept.push_back(box);
  }
  return kept;
}
