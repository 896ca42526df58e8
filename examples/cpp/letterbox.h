// A part of a frame, brought to the size that a network sees.
#pragma once

#include <cmath>
#include <utility>

#include "frames.h"

// In whole pixels of the frame.
struct Window {
  int left = 0, top = 0, right = 0, bottom = 0;
};

// The shares of pixels in one of `count` pixels along an axis of `length`: by area where it shrinks, else linear.
inline std::vector<std::pair<int, double>> shares(int at, int count, int length) {
  const double step = static_cast<double>(length) / count;
  std::vector<std::pair<int, double>> found;
  if (step > 1) {
    const double from = at * step, to = from + step;
    for (int i = static_cast<int>(from); i < std::min(static_cast<int>(std::ceil(to - 1e-9)), length); ++i)
      found.emplace_back(i, (std::min(to, i + 1.0) - std::max(from, static_cast<double>(i))) / step);
  } else {
    const double place = std::clamp((at + 0.5) * step - 0.5, 0.0, length - 1.0);
    const int first = static_cast<int>(place);
    found = {{first, 1 - (place - first)}, {std::min(first + 1, length - 1), place - first}};
  }
  return found;
}

// Where a part of a frame lies in what the network sees: its sides in proportion, in the middle.
struct Fit {
  int top = 0, left = 0, rows = 0, columns = 0;
};

inline Fit fit_of(const Window& part, int height, int width) {
  const int h = part.bottom - part.top, w = part.right - part.left;
  const double scale = std::min(static_cast<double>(height) / h, static_cast<double>(width) / w);
  const int rows = std::max(1, static_cast<int>(std::nearbyint(h * scale)));
  const int columns = std::max(1, static_cast<int>(std::nearbyint(w * scale)));
  return {(height - rows) / 2, (width - columns) / 2, rows, columns};
}

// A part of a frame as the network sees it, gray around it ("fitting" in the manifest).
inline Frame letterboxed(const Frame& frame, const Window& part, int height, int width, int padding = 114) {
  const int h = part.bottom - part.top, w = part.right - part.left;
  const auto [top, left, rows, columns] = fit_of(part, height, width);
  const size_t bytes = static_cast<size_t>(height) * static_cast<size_t>(width) * 3;
  Frame fitted{height, width, std::vector<uint8_t>(bytes, static_cast<uint8_t>(padding))};
  const auto pixel = [](int y, int x, int across) { return (static_cast<size_t>(y) * across + x) * 3; };
  std::vector<std::vector<std::pair<int, double>>> across;
  for (int x = 0; x < columns; ++x) across.push_back(shares(x, columns, w));
  for (int y = 0; y < rows; ++y) {
    const auto down = shares(y, rows, h);
    for (int x = 0; x < columns; ++x) {
      double sum[3] = {};
      for (const auto& [row, share] : down)
        for (const auto& [column, width_share] : across[static_cast<size_t>(x)])
          for (size_t k = 0; k < 3; ++k)
            sum[k] += share * width_share * frame.rgb[pixel(part.top + row, part.left + column, frame.width) + k];
      for (size_t k = 0; k < 3; ++k)
        fitted.rgb[pixel(top + y, left + x, width) + k] = static_cast<uint8_t>(std::lround(sum[k]));
    }
  }
  return fitted;
}
