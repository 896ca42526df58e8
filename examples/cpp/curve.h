// A line's middles by row as a curve: the polynomial x(y) nearest to them, or straight pieces between them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

// The polynomial of least squares through (t, x), highest power first: its normal equations by Gaussian elimination.
inline std::vector<double> fitted(const std::vector<double>& t, const std::vector<double>& x, int degree) {
  const size_t size = static_cast<size_t>(degree) + 1;
  std::vector<std::vector<double>> rows(size, std::vector<double>(size + 1));
  for (size_t k = 0; k < t.size(); ++k)
    for (size_t i = 0; i < size; ++i) {
      const double power = std::pow(t[k], static_cast<double>(size - 1 - i));
      for (size_t j = 0; j < size; ++j) rows[i][j] += power * std::pow(t[k], static_cast<double>(size - 1 - j));
      rows[i][size] += power * x[k];
    }
  for (size_t i = 0; i < size; ++i) {
    const auto pivot = std::max_element(rows.begin() + static_cast<std::ptrdiff_t>(i), rows.end(), [i](const auto& a, const auto& b) {
      return std::abs(a[i]) < std::abs(b[i]);
    });
    std::swap(rows[i], *pivot);
    for (size_t k = 0; k < size; ++k) {
      if (k == i) continue;
      const double factor = rows[k][i] / rows[i][i];
      for (size_t j = i; j <= size; ++j) rows[k][j] -= factor * rows[i][j];
    }
  }
  std::vector<double> factors;
  for (size_t i = 0; i < size; ++i) factors.push_back(rows[i][size] / rows[i][i]);
  return factors;
}

// x y x y ... of one point per row, from the nearest to the farthest, in pixels; rows run downward from known.front().
inline std::vector<float> curve(const std::vector<int>& known, const std::vector<double>& middles, int smooth, int width,
                                double cell_px) {
  const int degree = std::min(smooth, static_cast<int>(known.size()) - 1);
  const double middle = (known.front() + known.back()) / 2.0, span = std::max((known.front() - known.back()) / 2.0, 0.5);
  std::vector<double> t, factors;
  for (const int row : known) t.push_back((row - middle) / span);
  if (degree >= 1) factors = fitted(t, middles, degree);
  std::vector<float> xy;
  size_t next = 0;
  for (int row = known.front(); row >= known.back(); --row) {
    double x = 0;
    if (degree >= 1) {
      for (const double factor : factors) x = x * ((row - middle) / span) + factor;
    } else {
      while (known[next] > row) ++next;
      x = middles[next];
      if (known[next] < row) {
        const double share = static_cast<double>(known[next - 1] - row) / (known[next - 1] - known[next]);
        x = middles[next - 1] + share * (middles[next] - middles[next - 1]);
      }
    }
    xy.push_back(static_cast<float>(std::clamp(x, 0.0, static_cast<double>(width)) * cell_px));
    xy.push_back(static_cast<float>((row + 0.5) * cell_px));
  }
  return xy;
}
