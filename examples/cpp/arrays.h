// The arrays of a graph, and the limits of what becomes of them.
#pragma once

#include <map>

#include "frames.h"
#include "heads.h"

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
