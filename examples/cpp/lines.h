// From a map of line pixels to lines: what `hydranet.postprocess.trace_lines` does, where it is explained.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <tuple>
#include <vector>

#include "curve.h"
#include "heads.h"

struct Line {
  int64_t label;
  double score;
  std::vector<float> xy;  // near to far, in pixels of what the network sees
};

struct Run {
  double middle, sure;
  int first, last;
};

// One line while it is followed upward.
struct Trace {
  std::vector<int> rows;
  std::vector<double> middles, sure;
  int first = 0, last = 0;

  void add(int row, const Run& run) {
    rows.push_back(row), middles.push_back(run.middle), sure.push_back(run.sure);
    first = run.first, last = run.last;
  }
  // Where it would be in a row farther away: straight on along its last 8 points.
  double at(int row) const {
    if (rows.size() < 3) return middles.back();
    const size_t back = rows.size() > 8 ? rows.size() - 8 : 0;
    const double slope = (middles.back() - middles[back]) / std::min(rows.back() - rows[back], -1);
    return middles.back() + slope * (row - rows.back());
  }
  double apart(int row, const Run& run) const {
    const double distance = std::abs(run.middle - at(row));
    const bool touches = rows.back() - row == 1 && run.first <= last + 1 && run.last >= first - 1;
    return touches ? distance / (1 + distance) : distance;
  }
  double score() const {
    const double mean = std::accumulate(sure.begin(), sure.end(), 0.0) / static_cast<double>(sure.size());
    return std::clamp(mean * static_cast<double>(rows.size()) / (rows.front() - rows.back() + 1), 0.0, 1.0);
  }
};

// Runs of cells above `least` of one row, those of most mass, 24 at most.
inline std::vector<Run> runs_of(const float* row, int width, float least) {
  std::vector<double> mass(1, 0.0), moment(1, 0.0);
  const auto value = [&](int x) { return std::isfinite(row[x]) ? row[x] : 0.0F; };
  for (int x = 0; x < width; ++x) {
    mass.push_back(mass.back() + value(x));
    moment.push_back(moment.back() + value(x) * (x + 0.5));
  }
  std::vector<std::pair<double, Run>> found;
  for (int x = 0; x < width; ++x) {
    if (!(value(x) > least)) continue;
    const int first = x;
    while (x + 1 < width && value(x + 1) > least) ++x;
    const auto sum = [&](const std::vector<double>& of) { return of[static_cast<size_t>(x + 1)] - of[static_cast<size_t>(first)]; };
    const double weight = sum(mass), middle = sum(moment) / std::max(weight, 1e-9);
    found.push_back({weight, {std::clamp(middle, first + 0.0, x + 1.0), weight / (x - first + 1), first, x}});
  }
  std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Run> runs;
  for (size_t i = 0; i < std::min<size_t>(found.size(), 24); ++i) runs.push_back(found[i].second);
  return runs;
}

// The lines of one class. map: float height width, how probable a line is in each cell.
inline std::vector<Trace> traces_of(const float* map, int height, int width, const Options& options) {
  std::vector<Trace> alive, ended;
  for (int row = height - 1; row >= 0; --row) {
    const std::vector<Run> runs = runs_of(map + row * width, width, static_cast<float>(options.at("least_probability")));
    if (runs.empty()) continue;
    const auto over = [&](const Trace& trace) { return trace.rows.back() - row > options.at("gap"); };
    std::copy_if(alive.begin(), alive.end(), std::back_inserter(ended), over);
    alive.erase(std::remove_if(alive.begin(), alive.end(), over), alive.end());
    std::vector<std::tuple<double, size_t, size_t>> pairs;
    for (size_t t = 0; t < alive.size(); ++t)
      for (size_t r = 0; r < runs.size(); ++r) {
        const double apart = alive[t].apart(row, runs[r]);
        if (apart <= options.at("reach") * std::sqrt(alive[t].rows.back() - row)) pairs.push_back({apart, t, r});
      }
    std::sort(pairs.begin(), pairs.end());
    std::vector<bool> grown(alive.size()), taken(runs.size());
    for (const auto& [apart, t, r] : pairs)
      if (!grown[t] && !taken[r]) {
        grown[t] = taken[r] = true;
        alive[t].add(row, runs[r]);
      }
    for (size_t r = 0; r < runs.size(); ++r)
      if (!taken[r]) {
        alive.push_back({});
        alive.back().add(row, runs[r]);
      }
  }
  ended.insert(ended.end(), alive.begin(), alive.end());
  const auto brief = [&](const Trace& trace) { return static_cast<double>(trace.rows.size()) < options.at("least_rows"); };
  ended.erase(std::remove_if(ended.begin(), ended.end(), brief), ended.end());
  return ended;
}

// The lines of one image, best first. probs: float classes+1 height width, of no line and of a line of each class.
inline std::vector<Line> traced_lines(const float* probs, int channels, int height, int width, const Options& options) {
  std::vector<Line> lines;
  const auto better = [](const auto& a, const auto& b) { return a.score > b.score; };
  const auto most = [&](std::vector<Line>& kept, const char* option) {
    std::stable_sort(kept.begin(), kept.end(), better);
    kept.resize(std::min(kept.size(), static_cast<size_t>(options.at(option))), Line{});
  };
  for (int label = 0; label + 1 < channels; ++label) {
    const float* map = probs + static_cast<ptrdiff_t>(label + 1) * height * width;
    std::vector<Line> mine;
    for (const Trace& trace : traces_of(map, height, width, options))
      mine.push_back({label, trace.score(),
                      curve(trace.rows, trace.middles, static_cast<int>(options.at("smooth")), width, options.at("cell_px"))});
    most(mine, "lines_per_class");
    for (const Line& line : mine)
      if (line.score >= options.at("score_threshold")) lines.push_back(line);
  }
  most(lines, "max_lines");
  return lines;
}
