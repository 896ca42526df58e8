// A part of a frame, brought to the size that a network sees.
#pragma once

#include <cmath>
#include <tuple>

#include "frames.h"

// In whole pixels of the frame.
struct Window {
  int left = 0, top = 0, right = 0, bottom = 0;
};

// How `length` pixels become `count`: blocks of whole pixels are averaged, then it is linear between two blocks.
struct Axis {
  int length, count, block = std::max(1, static_cast<int>(static_cast<double>(length) / count + 0.5));
  int blocks = (length + block - 1) / block;

  // The block before the place of one of `count` pixels, the one after it, and the share of that.
  std::tuple<int, int, double> around(int at) const {
    const double place = std::clamp((at + 0.5) * length / count / block - 0.5, 0.0, blocks - 1.0);
    const int first = static_cast<int>(place);
    return {first, std::min(first + 1, blocks - 1), place - first};
  }
  // One of a block's pixels; the last pixel fills the last block.
  int pixel(int of, int k) const { return std::min(of * block + k, length - 1); }
};

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

// A place in what the network sees as a place in the frame: shifted first, then scaled, then shifted.
struct Place {
  double before[2] = {0, 0}, factor[2] = {1, 1}, after[2] = {0, 0};
  double operator()(double value, size_t axis) const { return (value + before[axis]) * factor[axis] + after[axis]; }
  double back(double value, size_t axis) const { return (value - after[axis]) / factor[axis] - before[axis]; }
};

inline Place place_of(const Fit& fit, const Window& part) {
  Place place;
  place.before[0] = -fit.left, place.before[1] = -fit.top;
  place.factor[0] = static_cast<double>(part.right - part.left) / fit.columns;
  place.factor[1] = static_cast<double>(part.bottom - part.top) / fit.rows;
  place.after[0] = part.left, place.after[1] = part.top;
  return place;
}

// Files of earlier versions were trained on other averages.
inline void check_fitting(const std::string& manifest) {
  if (manifest.find("\"shrink\": \"blocks\"") == std::string::npos)
    throw std::runtime_error("this file wants crops as earlier versions made them; export the run again");
}

// A part of a frame as the network sees it, gray around it ("fitting" in the manifest).
inline Frame letterboxed(const Frame& frame, const Window& part, int height, int width, int padding = 114) {
  const auto [top, left, rows, columns] = fit_of(part, height, width);
  const Axis down{part.bottom - part.top, rows}, across{part.right - part.left, columns};
  const auto at = [](int y, int x, int wide) { return (static_cast<size_t>(y) * wide + x) * 3; };
  std::vector<double> means(at(down.blocks, 0, across.blocks));
  for (int y = 0; y < down.blocks; ++y)
    for (int x = 0; x < across.blocks; ++x)
      for (size_t k = 0; k < 3; ++k) {
        int sum = 0;
        for (int i = 0; i < down.block; ++i)
          for (int j = 0; j < across.block; ++j)
            sum += frame.rgb[at(part.top + down.pixel(y, i), part.left + across.pixel(x, j), frame.width) + k];
        means[at(y, x, across.blocks) + k] = std::nearbyint(static_cast<double>(sum) / (down.block * across.block));
      }
  Frame fitted{height, width, std::vector<uint8_t>(at(height, 0, width), static_cast<uint8_t>(padding))};
  for (int y = 0; y < rows; ++y) {
    const auto [above, below, lower] = down.around(y);
    for (int x = 0; x < columns; ++x) {
      const auto [before, after, later] = across.around(x);
      for (size_t k = 0; k < 3; ++k) {
        const auto row = [&](int of) {
          return (1 - later) * means[at(of, before, across.blocks) + k] + later * means[at(of, after, across.blocks) + k];
        };
        fitted.rgb[at(top + y, left + x, width) + k] =
            static_cast<uint8_t>(std::lround((1 - lower) * row(above) + lower * row(below)));
      }
    }
  }
  return fitted;
}
