// How far the objects in boxes are, from a map of meters.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

// Meters for every pixel of what the network sees, row by row: an array TASK.values; none where `values` is null.
struct Meters {
  const float* values = nullptr;
  int height = 0, width = 0;
};

// How far the object in a box (in pixels of the map) is: the median of the known meters in the middle half of each side,
// else in all of the box; NaN where none is known. What `hydranet.postprocess.distance.distances` does.
template <class Number>
float distance_m(const Number* xyxy, const Meters& map) {
  const int sides[2] = {map.width, map.height};
  for (const double share : {0.5, 1.0}) {
    int from[2], to[2];
    for (int axis = 0; axis < 2; ++axis) {
      const double left = xyxy[axis], right = xyxy[axis + 2], center = (left + right) / 2, half = (right - left) / 2;
      // the pixels whose centers lie inside, or the one around the middle of a box that holds no center
      double first = std::ceil(center - share * half - 0.5), last = std::ceil(center + share * half - 0.5);
      if (!(last > first)) first = std::floor(center), last = first + 1;
      from[axis] = static_cast<int>(std::clamp(first, 0.0, static_cast<double>(sides[axis])));
      to[axis] = static_cast<int>(std::clamp(last, 0.0, static_cast<double>(sides[axis])));
    }
    std::vector<float> known;
    for (int y = from[1]; y < to[1]; ++y)
      for (int x = from[0]; x < to[0]; ++x) {
        const float value = map.values[static_cast<size_t>(y) * static_cast<size_t>(map.width) + static_cast<size_t>(x)];
        if (std::isfinite(value)) known.push_back(value);
      }
    if (known.empty()) continue;
    const auto middle = known.begin() + static_cast<std::ptrdiff_t>(known.size() / 2);
    std::nth_element(known.begin(), middle, known.end());
    return known.size() % 2 ? *middle : (*std::max_element(known.begin(), middle) + *middle) / 2;
  }
  return std::numeric_limits<float>::quiet_NaN();
}
