// Lines of a head's map, as `hydranet/postprocess/trace_lines.py` makes them: connected from the lowest row up, smoothed.
// No library is needed. The options stand in manifest.json under "heads", "postprocess", "trace_lines".
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <tuple>
#include <vector>

struct LineOptions {
  double score_threshold = 0.3, least_probability = 0.5, reach = 2.5;
  int max_lines = 16, lines_per_class = 16, least_rows = 6, gap = 12, smooth = 3, cell_px = 4;
};

// One line: points x, y in pixels of the frame the network saw, near to far.
struct Line {
  double score;
  int label;
  std::vector<std::pair<float, float>> points;
};

// Cells of one row above the least probability: middle, mean probability, first and last cell, mass.
struct Run {
  double middle, sure;
  int first, last;
  double mass;
};

struct Trace {
  std::vector<int> rows;
  std::vector<double> middles, sure;
  int first = 0, last = 0;

  void add(int row, const Run& run) {
    rows.push_back(row), middles.push_back(run.middle), sure.push_back(run.sure);
    first = run.first, last = run.last;
  }
  double at(int row) const {  // straight on along its last 8 points
    if (rows.size() < 3) return middles.back();
    const size_t back = rows.size() > 8 ? rows.size() - 8 : 0;
    const double slope = (middles.back() - middles[back]) / std::min(rows.back() - rows[back], -1);
    return middles.back() + slope * (row - rows.back());
  }
  double score() const {
    double sum = 0;
    for (double one : sure) sum += one;
    return std::clamp(sum / sure.size() * rows.size() / (rows.front() - rows.back() + 1), 0.0, 1.0);
  }
};

inline std::vector<Run> runs_of(const float* row, int width, double least) {
  const auto value = [&](int x) { return std::isfinite(row[x]) ? static_cast<double>(row[x]) : 0.0; };
  std::vector<Run> runs;
  for (int x = 0; x < width; ++x) {
    if (!(value(x) > least)) continue;
    Run run{0, 0, x, x, 0};
    double moment = 0;
    for (; x < width && value(x) > least; ++x) run.mass += value(x), moment += value(x) * (x + 0.5), run.last = x;
    run.middle = std::clamp(moment / std::max(run.mass, 1e-9), run.first + 0.0, run.last + 1.0);
    run.sure = run.mass / (run.last - run.first + 1);
    runs.push_back(run);
  }
  std::stable_sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.mass > b.mass; });
  runs.resize(std::min<size_t>(runs.size(), 24), Run{});
  return runs;
}

inline std::vector<Trace> traces_of(const float* map, int height, int width, const LineOptions& options) {
  std::vector<Trace> alive, ended;
  for (int row = height - 1; row >= 0; --row) {
    const std::vector<Run> runs = runs_of(map + static_cast<size_t>(row) * width, width, options.least_probability);
    if (runs.empty()) continue;
    std::vector<Trace> kept;
    for (Trace& trace : alive) (trace.rows.back() - row > options.gap ? ended : kept).push_back(trace);
    alive = kept;
    std::vector<std::tuple<double, size_t, size_t>> pairs;
    for (size_t t = 0; t < alive.size(); ++t)
      for (size_t r = 0; r < runs.size(); ++r) {
        double apart = std::abs(runs[r].middle - alive[t].at(row));
        const int rows = alive[t].rows.back() - row;
        if (rows == 1 && runs[r].first <= alive[t].last + 1 && runs[r].last >= alive[t].first - 1) apart /= 1 + apart;
        if (apart <= options.reach * std::sqrt(rows)) pairs.emplace_back(apart, t, r);
      }
    std::sort(pairs.begin(), pairs.end());
    std::vector<bool> grown(alive.size()), taken(runs.size());
    for (const auto& [apart, t, r] : pairs)
      if (!grown[t] && !taken[r]) grown[t] = taken[r] = true, alive[t].add(row, runs[r]);
    for (size_t r = 0; r < runs.size(); ++r)
      if (!taken[r]) alive.emplace_back(), alive.back().add(row, runs[r]);
  }
  ended.insert(ended.end(), alive.begin(), alive.end());
  const auto is_short = [&](const Trace& trace) { return static_cast<int>(trace.rows.size()) < options.least_rows; };
  ended.erase(std::remove_if(ended.begin(), ended.end(), is_short), ended.end());
  return ended;
}

// Least squares by normal equations of a polynomial in t = -1..1; degree 5 at most.
inline std::vector<double> fitted(const std::vector<double>& t, const std::vector<double>& x, int degree) {
  const int n = degree + 1;
  std::vector<std::vector<double>> a(n, std::vector<double>(n + 1, 0.0));
  for (size_t i = 0; i < t.size(); ++i)
    for (int r = 0; r < n; ++r) {
      for (int c = 0; c < n; ++c) a[r][c] += std::pow(t[i], r + c);
      a[r][n] += std::pow(t[i], r) * x[i];
    }
  for (int k = 0; k < n; ++k) {
    int best = k;
    for (int r = k + 1; r < n; ++r) best = std::abs(a[r][k]) > std::abs(a[best][k]) ? r : best;
    std::swap(a[k], a[best]);
    for (int r = 0; r < n; ++r)
      if (r != k && a[k][k] != 0)
        for (int c = n; c >= k; --c) a[r][c] -= a[r][k] / a[k][k] * a[k][c];
  }
  std::vector<double> factors(n);
  for (int k = 0; k < n; ++k) factors[k] = a[k][k] == 0 ? 0 : a[k][n] / a[k][k];
  return factors;
}

inline Line line_of(const Trace& trace, int label, int width, const LineOptions& options) {
  Line line{trace.score(), label, {}};
  const int near = trace.rows.front(), far = trace.rows.back();
  const int degree = std::min(options.smooth, static_cast<int>(trace.rows.size()) - 1);
  const double middle = (near + far) / 2.0, span = std::max((near - far) / 2.0, 0.5);
  std::vector<double> t;
  for (int row : trace.rows) t.push_back((row - middle) / span);
  const std::vector<double> factors = degree < 1 ? std::vector<double>{} : fitted(t, trace.middles, degree);
  size_t next = 0;
  for (int row = near; row >= far; --row) {
    while (next + 1 < trace.rows.size() && trace.rows[next + 1] >= row) ++next;
    double x = trace.middles[next];
    if (degree >= 1) {
      x = 0;
      for (size_t k = factors.size(); k-- > 0;) x = x * (row - middle) / span + factors[k];
    } else if (trace.rows[next] != row) {
      const double share = (trace.rows[next] - row) / double(trace.rows[next] - trace.rows[next + 1]);
      x += share * (trace.middles[next + 1] - x);
    }
    line.points.emplace_back(std::clamp(x, 0.0, width + 0.0) * options.cell_px, (row + 0.5) * options.cell_px);
  }
  return line;
}

// probs: c + 1 maps of height x width: of no line, then of each class.
inline std::vector<Line> traced(const float* probs, int maps, int height, int width, const LineOptions& options) {
  std::vector<Line> found;
  const auto better = [](const Line& a, const Line& b) { return a.score > b.score; };
  for (int k = 1; k < maps; ++k) {
    std::vector<Line> own;
    for (const Trace& trace : traces_of(probs + static_cast<size_t>(k) * height * width, height, width, options))
      if (trace.score() >= options.score_threshold) own.push_back(line_of(trace, k - 1, width, options));
    std::stable_sort(own.begin(), own.end(), better);
    own.resize(std::min<size_t>(own.size(), options.lines_per_class), Line{});
    found.insert(found.end(), own.begin(), own.end());
  }
  std::stable_sort(found.begin(), found.end(), better);
  found.resize(std::min<size_t>(found.size(), options.max_lines), Line{});
  return found;
}

inline void print_lines(const std::string& task, const std::vector<Line>& lines) {
  for (const Line& line : lines) {
    std::printf("%s class %d score %.4f line", task.c_str(), line.label, line.score);
    for (const auto& [x, y] : line.points) std::printf(" %.2f %.2f", x, y);
    std::printf("\n");
  }
}
