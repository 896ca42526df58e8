// Cascades: boxes of one head, cut out of the frame and shown to other heads of the same network.
#pragma once

#include <array>
#include <cmath>

#include "answers.h"

// Which boxes are cut out, how, and which heads answer about each (`hydranet.core.cascade`).
struct Cascade {
  std::string boxes;
  std::vector<std::string> heads, classes;  // no class = boxes of all
  int height = 0, width = 0;                // of what the network sees of a crop
  double margin = 0;
  bool square = true;
  size_t most = 0;

  std::string folder() const {  // of the graph for crops, beside that for frames
    std::string name = "crops";
    for (const std::string& head : heads) name += "_" + head;
    return name;
  }
};

// The cascades of a file, by its manifest.
inline std::vector<Cascade> cascades_of(const std::string& manifest) {
  const size_t begin = manifest.find("\n  \"cascades\": [\n");
  if (begin == std::string::npos) return {};  // none
  std::istringstream lines(manifest.substr(begin + 1, manifest.find("\n  ]", begin + 1) - begin));
  std::vector<Cascade> found;
  std::vector<int> sides;
  std::string line, section;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const size_t indent = line.find_first_not_of(' '), colon = line.find("\": ");
    if (indent == std::string::npos || line[indent] == ']' || line[indent] == '}') continue;
    if (line.back() == ',') line.pop_back();
    if (indent == 4) {
      found.push_back({});
      sides.clear();
    } else if (indent == 6) {
      Cascade& one = found.back();
      section = line.substr(indent + 1, colon - indent - 1);
      const std::string value = line.substr(colon + 3);
      if (section == "boxes") one.boxes = unquoted(value);
      if (section == "margin") one.margin = std::stod(value);
      if (section == "square") one.square = value == "true";
      if (section == "most") one.most = std::stoul(value);
    } else if (section == "heads" || section == "classes") {
      (section == "heads" ? found.back().heads : found.back().classes).push_back(unquoted(line));
    } else if (section == "size") {
      sides.push_back(std::stoi(line));
      found.back().height = sides.front(), found.back().width = sides.back();
    }
  }
  return found;
}

// The heads that answer about whole frames: those of a cascade see its crops instead.
inline std::vector<Head> whole_heads(const std::vector<Head>& heads, const std::vector<Cascade>& cascades) {
  std::vector<Head> whole;
  for (const Head& head : heads) {
    const auto sees = [&](const Cascade& one) { return std::count(one.heads.begin(), one.heads.end(), head.name) > 0; };
    if (std::none_of(cascades.begin(), cascades.end(), sees)) whole.push_back(head);
  }
  return whole;
}

// A box that is left after suppression, inside the frame, and the part of the frame that is cut out for it.
struct Crop {
  std::array<double, 4> xyxy;
  std::string class_text;
  float score;
  Window window;
};

// The crops of a cascade: boxes of its classes, at most `most`, the best ones, in their order.
inline std::vector<Crop> crops_of(const Cascade& cascade, const Head& head, const std::vector<Box>& boxes,
                                  const Canvas& canvas) {
  std::vector<Crop> found;
  const auto& wanted = cascade.classes;
  for (const Box& box : boxes) {
    const std::string& name = head.classes.at(static_cast<size_t>(box.label));
    if (!wanted.empty() && !std::count(wanted.begin(), wanted.end(), name)) continue;
    Crop crop{{}, head.class_text(box.label), box.score, {}};
    for (size_t k = 0; k < 4; ++k) crop.xyxy[k] = canvas.inside(box.xyxy[k], k % 2);
    if (!(crop.xyxy[2] > crop.xyxy[0] && crop.xyxy[3] > crop.xyxy[1])) continue;
    double low[2], high[2];
    for (size_t axis = 0; axis < 2; ++axis) {
      const double sides[2] = {crop.xyxy[2] - crop.xyxy[0], crop.xyxy[3] - crop.xyxy[1]};
      const double longer = std::max(sides[0], sides[1]);
      const double half = (cascade.square ? longer : sides[axis]) / 2 + cascade.margin * longer;
      const double center = (crop.xyxy[axis] + crop.xyxy[axis + 2]) / 2, side = canvas.side(axis);
      low[axis] = std::floor(std::clamp(center - half, 0.0, side - 1.0));
      high[axis] = std::max(std::ceil(std::clamp(center + half, 0.0, side)), low[axis] + 1);
    }
    crop.window = {static_cast<int>(low[0]), static_cast<int>(low[1]), static_cast<int>(high[0]),
                   static_cast<int>(high[1])};
    found.push_back(crop);  // best first, as suppression leaves them
  }
  found.resize(std::min(found.size(), cascade.most), Crop{});
  return found;
}

// The best instance of points in a crop, in pixels of the frame.
inline void print_crop_points(const Head& head, const Arrays& arrays, const Crop& crop, const Cascade& cascade,
                              const Limits& said) {
  const auto kept = instances_of(head, arrays, limits_of(head, said));
  if (kept.empty()) return;
  const float* sure = floats(arrays.at(head.name + ".score"));
  const size_t best = *std::max_element(kept.begin(), kept.end(), [&](size_t a, size_t b) { return sure[a] < sure[b]; });
  const Fit fit = fit_of(crop.window, cascade.height, cascade.width);
  print_instance(head.name, arrays, best, place_of(fit, crop.window));
}

// What a head says of one crop: a tag is a box of that class, as sure as box times tag; a number stands at the box.
inline void print_crop(const Head& head, const Arrays& arrays, const Crop& crop, const Cascade& cascade,
                       const Limits& said) {
  const std::string& task = head.name;
  if (head.kind == "Keypoints") return print_crop_points(head, arrays, crop, cascade, said);
  if (head.kind != "Tag" && head.kind != "Quantity")
    throw std::runtime_error("head " + task + " gives " + head.kind + " of crops, which this program does not know; " +
                             "use hydranet.Predictor");
  std::string class_text = crop.class_text;
  double score = crop.score;
  if (head.kind == "Tag") {
    class_text = head.class_text(*integers(arrays.at(task + ".label")));
    const auto probs = arrays.find(task + ".probs");
    if (probs != arrays.end()) {
      const float* all = floats(probs->second);
      score *= static_cast<double>(*std::max_element(all, all + probs->second.shape.at(1)));
    }
  }
  const auto [left, top, right, bottom] = crop.xyxy;
  std::printf("%s %s score %.4f box %.2f %.2f %.2f %.2f", task.c_str(), class_text.c_str(), score, left, top, right, bottom);
  if (head.kind == "Quantity")
    std::printf(" value %.4f %s", static_cast<double>(*floats(arrays.at(task + ".value"))), head.unit.c_str());
  std::printf("\n");
}
