// From the arrays of a graph to what its heads say: boxes, lines, points, classes and numbers, printed a line each.
#pragma once

#include <map>

#include "frames.h"
#include "heads.h"
#include "lines.h"

// An array that a graph gave, of one image, and what its numbers are, as numpy says it.
struct Array {
  std::vector<int64_t> shape;
  std::string type;
  const void* data = nullptr;
  size_t bytes = 0;
};

using Arrays = std::map<std::string, Array>;

inline const void* numbers(const Array& array, const std::string& type) {
  if (array.type != type) throw std::runtime_error("got an array of " + array.type + ", expected " + type);
  return array.data;
}
inline const float* floats(const Array& array) { return static_cast<const float*>(numbers(array, "<f4")); }
inline const int64_t* integers(const Array& array) { return static_cast<const int64_t*>(numbers(array, "<i8")); }

// The map of a head that gives meters; none for "".
inline Meters meters_of(const Arrays& arrays, const std::string& task) {
  if (task.empty()) return {};
  const Array& map = arrays.at(task + ".values");
  return {floats(map), static_cast<int>(map.shape.at(1)), static_cast<int>(map.shape.at(2))};
}

// The limits of a head: what the caller said, else what the file says.
inline Limits limits_of(const Head& head, Limits said) {
  const auto step = head.steps.empty() ? Options{} : head.steps.begin()->second;
  const auto option = [&](const char* name, double otherwise) { return step.count(name) ? step.at(name) : otherwise; };
  if (said.least_score < 0) said.least_score = static_cast<float>(head.score_threshold);
  said.least_score = std::max(said.least_score, static_cast<float>(option("score_threshold", 0)));
  if (said.most_overlap < 0) said.most_overlap = option("iou_threshold", 1);
  if (!said.limit) said.limit = static_cast<size_t>(option("max_detections", 1e6));
  if (!said.candidates) said.candidates = static_cast<size_t>(option("pre_nms_topk", 1e6));
  return said;
}

// Least score and largest overlap for a file whose suppression is inside the graph: those of the head that keeps most.
inline std::pair<float, float> thresholds_of(const std::vector<Head>& heads, const Limits& said) {
  float score = 1, overlap = 1;
  for (const Head& head : heads)
    if (head.kind == "Boxes") {
      const Limits limits = limits_of(head, said);
      score = std::min(score, limits.least_score), overlap = std::min(overlap, static_cast<float>(limits.most_overlap));
    }
  return {score, overlap};
}

inline void print_lines(const Head& head, const Array& probs, const Limits& limits) {
  Options options = head.steps.at("trace_lines");
  options["score_threshold"] = std::max(options.at("score_threshold"), static_cast<double>(limits.least_score));
  const auto side = [&](size_t axis) { return static_cast<int>(probs.shape.at(axis)); };
  for (const Line& line : traced_lines(floats(probs), side(1), side(2), side(3), options)) {
    std::printf("%s class %lld score %.4f line", head.name.c_str(), static_cast<long long>(line.label), line.score);
    for (const float value : line.xy) std::printf(" %.2f", static_cast<double>(value));
    std::printf("\n");
  }
}

// Places in the frame of points that a network gave: shifted first, then scaled, then shifted.
struct Place {
  double before[2] = {0, 0}, factor[2] = {1, 1}, after[2] = {0, 0};
  double operator()(float value, size_t axis) const { return (value + before[axis]) * factor[axis] + after[axis]; }
};

// Instances of points, best first: what `hydranet.postprocess.top_instances` keeps.
inline std::vector<size_t> instances_of(const Head& head, const Arrays& arrays, const Limits& limits) {
  const Array &xy = arrays.at(head.name + ".xy"), &score = arrays.at(head.name + ".score");
  const auto count = static_cast<size_t>(xy.shape.at(1)), values = static_cast<size_t>(xy.shape.at(2)) * 2;
  const float *places = floats(xy), *sure = floats(score);
  std::vector<size_t> order(count), kept;
  std::iota(order.begin(), order.end(), size_t{0});
  if (head.steps.count("top_instances"))
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return sure[a] > sure[b]; });
  for (const size_t i : order) {
    const float* mine = places + i * values;
    const bool finite = std::all_of(mine, mine + values, [](float x) { return std::isfinite(x); });
    if (finite && sure[i] >= limits.least_score && kept.size() < limits.limit) kept.push_back(i);
  }
  return kept;
}

// x y and how sure, by point.
inline void print_instance(const std::string& task, const Arrays& arrays, size_t i, const Place& place = {}) {
  const auto points = static_cast<size_t>(arrays.at(task + ".xy").shape.at(2));
  const float *xy = floats(arrays.at(task + ".xy")) + i * points * 2;
  const float *each = floats(arrays.at(task + ".point_score")) + i * points;
  std::printf("%s score %.4f points", task.c_str(), static_cast<double>(floats(arrays.at(task + ".score"))[i]));
  for (size_t k = 0; k < points; ++k)
    std::printf(" %.2f %.2f %.4f", place(xy[2 * k], 0), place(xy[2 * k + 1], 1), static_cast<double>(each[k]));
  std::printf("\n");
}

inline void print_class(const Head& head, const Arrays& arrays) {
  const auto label = *integers(arrays.at(head.name + ".label"));
  const bool known = label >= 0 && label < static_cast<int64_t>(head.classes.size());  // 255 = unknown
  std::printf("%s class %lld", head.name.c_str(), static_cast<long long>(label));
  const auto probs = arrays.find(head.name + ".probs");
  if (known && probs != arrays.end()) std::printf(" probability %.4f", static_cast<double>(floats(probs->second)[label]));
  std::printf(" %s\n", known ? head.classes[static_cast<size_t>(label)].c_str() : "unknown");
}

// The boxes of a head that are left after suppression, best first.
inline std::vector<Box> boxes_of(const Head& head, const Arrays& arrays, const Limits& said) {
  const Array& score = arrays.at(head.name + ".score");
  return suppressed(floats(arrays.at(head.name + ".xyxy")), integers(arrays.at(head.name + ".label")), floats(score),
                    static_cast<size_t>(score.shape.at(1)), limits_of(head, said));
}

// What every head says of the image. Maps are arrays already: nothing is printed for them.
inline void print_answers(const std::vector<Head>& heads, const Arrays& arrays, const Limits& said, const Meters& meters,
                          const Frame& frame) {
  for (const Head& head : heads) {
    const Limits limits = limits_of(head, said);
    const std::string& task = head.name;
    if (head.kind == "Boxes") {
      print_boxes(task, boxes_of(head, arrays, said), meters, frame);
    } else if (head.steps.count("trace_lines")) {
      print_lines(head, arrays.at(task + ".probs"), limits);
    } else if (head.kind == "Keypoints") {
      for (const size_t i : instances_of(head, arrays, limits)) print_instance(task, arrays, i);
    } else if (head.kind == "Tag") {
      print_class(head, arrays);
    } else if (head.kind == "Quantity") {
      std::printf("%s value %.4f %s\n", task.c_str(), static_cast<double>(*floats(arrays.at(task + ".value"))),
                  head.unit.c_str());
    }
  }
}
