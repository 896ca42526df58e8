// From the arrays of a graph to what its heads say: boxes, lines, points, classes and numbers, printed a line each.
#pragma once

#include "arrays.h"
#include "letterbox.h"
#include "lines.h"

// Where answers lie in the frame, whose border cuts them off; without a frame they stay as they are.
struct Canvas {
  const Frame* frame = nullptr;
  Place place = {};  // from pixels of what the network sees

  double side(size_t axis) const {
    return frame ? (axis ? frame->height : frame->width) : std::numeric_limits<double>::infinity();
  }
  // Cut off at the border: a coordinate of the frame.
  double inside(float value, size_t axis) const { return std::clamp(place(value, axis), frame ? 0 : -side(axis), side(axis)); }
  // Whether a point lies in the frame; one on the border does, however it was rounded.
  bool shows(double x, double y) const {
    const double edge = 1e-3;
    return !frame || (x >= -edge && y >= -edge && x <= side(0) + edge && y <= side(1) + edge);
  }
};

// Points outside the frame are left out, and lines of which nothing is left.
inline void print_lines(const Head& head, const Array& probs, const Limits& limits, const Canvas& canvas = {}) {
  Options options = head.steps.at("trace_lines");
  options["score_threshold"] = std::max(options.at("score_threshold"), static_cast<double>(limits.least_score));
  const auto side = [&](size_t axis) { return static_cast<int>(probs.shape.at(axis)); };
  for (const Line& line : traced_lines(floats(probs), side(1), side(2), side(3), options)) {
    std::string points;
    for (size_t i = 0; i < line.xy.size(); i += 2) {
      const double x = canvas.place(line.xy[i], 0), y = canvas.place(line.xy[i + 1], 1);
      char text[64];
      std::snprintf(text, sizeof text, " %.2f %.2f", x, y);
      if (canvas.shows(x, y)) points += text;
    }
    if (points.empty()) continue;
    std::printf("%s %s score %.4f line%s\n", head.name.c_str(), head.class_text(line.label).c_str(), line.score, points.c_str());
  }
}

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
inline void print_instance(const std::string& task, const Arrays& arrays, size_t i, const Place& place) {
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
  std::printf("%s %s", head.name.c_str(), head.class_text(label).c_str());
  const auto probs = arrays.find(head.name + ".probs");
  if (known && probs != arrays.end()) std::printf(" probability %.4f", static_cast<double>(floats(probs->second)[label]));
  std::printf(known ? "\n" : " unknown\n");
}

// The boxes of a head that are left after suppression, best first.
inline std::vector<Box> boxes_of(const Head& head, const Arrays& arrays, const Limits& said) {
  const Array& score = arrays.at(head.name + ".score");
  return suppressed(floats(arrays.at(head.name + ".xyxy")), integers(arrays.at(head.name + ".label")), floats(score),
                    static_cast<size_t>(score.shape.at(1)), limits_of(head, said));
}

// A line for each box, cut off at the frame's border; what lies outside is left out.
inline void print_boxes(const Head& head, const std::vector<Box>& boxes, const Canvas& canvas = {}, const Meters& meters = {}) {
  for (const Box& box : boxes) {
    double at[4], within[4];  // in the frame, and the same part of what the network sees
    for (size_t k = 0; k < 4; ++k) at[k] = canvas.inside(box.xyxy[k], k % 2), within[k] = canvas.place.back(at[k], k % 2);
    if (canvas.frame && !(at[2] > at[0] && at[3] > at[1])) continue;
    std::printf("%s %s score %.4f box %.2f %.2f %.2f %.2f", head.name.c_str(), head.class_text(box.label).c_str(),
                static_cast<double>(box.score), at[0], at[1], at[2], at[3]);
    if (meters.values) std::printf(" distance %.3f m", static_cast<double>(distance_m(within, meters)));
    std::printf("\n");
  }
}

// What every head says of the image. Maps are arrays already: nothing is printed for them.
inline void print_answers(const std::vector<Head>& heads, const Arrays& arrays, const Limits& said, const Meters& meters,
                          const Canvas& canvas) {
  for (const Head& head : heads) {
    const Limits limits = limits_of(head, said);
    const std::string& task = head.name;
    if (head.kind == "Boxes") {
      print_boxes(head, boxes_of(head, arrays, said), canvas, meters);
    } else if (head.steps.count("trace_lines")) {
      print_lines(head, arrays.at(task + ".probs"), limits, canvas);
    } else if (head.kind == "Keypoints") {
      for (const size_t i : instances_of(head, arrays, limits)) print_instance(task, arrays, i, canvas.place);
    } else if (head.kind == "Tag") {
      print_class(head, arrays);
    } else if (head.kind == "Quantity") {
      std::printf("%s value %.4f %s\n", task.c_str(), static_cast<double>(*floats(arrays.at(task + ".value"))),
                  head.unit.c_str());
    }
  }
}
