// What both programs share: reading a frame, writing arrays, and the boxes that are left after suppression.
// No library is needed; a robot would take frames from its camera and keep the arrays.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

// A picture: 8-bit RGB, row by row, as `hydranet export` expects it (layout bhwc).
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
    throw std::runtime_error(path + " is no binary 8-bit PPM picture (P6)");
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

// One box: left, top, right, bottom in pixels of the frame the network saw; label -1 = none.
struct Box {
  const float* xyxy;
  int64_t label;
  float score;
};

inline float overlap(const Box& a, const Box& b) {
  const float w = std::min(a.xyxy[2], b.xyxy[2]) - std::max(a.xyxy[0], b.xyxy[0]);
  const float h = std::min(a.xyxy[3], b.xyxy[3]) - std::max(a.xyxy[1], b.xyxy[1]);
  if (w <= 0 || h <= 0) return 0;
  const auto area = [](const Box& c) { return (c.xyxy[2] - c.xyxy[0]) * (c.xyxy[3] - c.xyxy[1]); };
  return w * h / (area(a) + area(b) - w * h);
}

// Greedy non-maximum suppression within each class, best first: what `hydranet.deploy.post.nms` does. The thresholds
// of a head stand in manifest.json under "post". For files exported with --nms inside it changes nothing.
inline std::vector<Box> suppressed(const float* xyxy, const int64_t* label, const float* score, size_t count,
                                   float least_score, float most_overlap) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return score[a] > score[b]; });
  std::vector<Box> kept;
  for (size_t i : order) {
    const Box box{xyxy + 4 * i, label[i], score[i]};
    if (box.label < 0 || !(box.score >= least_score)) continue;
    const auto rival = [&](const Box& k) { return k.label == box.label && overlap(k, box) > most_overlap; };
    if (std::none_of(kept.begin(), kept.end(), rival)) kept.push_back(box);
  }
  return kept;
}

inline void print_boxes(const std::string& task, const std::vector<Box>& boxes) {
  for (const Box& b : boxes)
    std::printf("%s class %lld score %.4f box %.2f %.2f %.2f %.2f\n", task.c_str(), static_cast<long long>(b.label),
                b.score, b.xyxy[0], b.xyxy[1], b.xyxy[2], b.xyxy[3]);
}
