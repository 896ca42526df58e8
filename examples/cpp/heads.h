// What a file says of its heads, by the manifest that travels inside it: JSON, two spaces for each level.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "json_text.h"

using Options = std::map<std::string, double>;  // of a step after the graph

// A head: what its graph answers, and what comes after it ("postprocess": options by step).
struct Head {
  std::string name, kind, unit;
  std::vector<std::string> classes;
  std::map<std::string, Options> steps;
  double score_threshold = 0;  // answers below are not shown unless somebody asks for them

  // How a class is printed: its number, and its name where it has one.
  std::string class_text(int64_t label) const {
    const bool named = label >= 0 && label < static_cast<int64_t>(classes.size());
    return "class " + std::to_string(label) + (named ? " \"" + classes[static_cast<size_t>(label)] + "\"" : "");
  }
};

// Throws, naming the head, where these programs do not know what its arrays become: an unknown kind or step.
inline void refuse_unknown(const Head& head) {
  static const std::set<std::string> kinds{"ClassMap", "ScalarMap", "NormalMap", "Boxes", "Keypoints", "Tag", "Quantity"};
  static const std::set<std::string> steps{"nms", "trace_lines", "top_instances"};
  std::string unknown = kinds.count(head.kind) ? "" : "the kind " + head.kind;
  for (const auto& [step, options] : head.steps)
    if (!steps.count(step)) unknown = "the step " + step;
  if (!unknown.empty())
    throw std::runtime_error("head " + head.name + " has " + unknown + ", which this program does not know; export " +
                             "the other heads (--heads), or use hydranet.Predictor");
}

inline std::vector<Head> heads_of(const std::string& manifest) {
  const size_t begin = manifest.find("\n  \"heads\": {");
  if (begin == std::string::npos) throw std::runtime_error("this file holds no manifest; export the run again");
  std::istringstream lines(manifest.substr(begin + 1, manifest.find("\n  }", begin + 1) - begin));
  std::vector<Head> heads;
  std::string line, section, step;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const size_t indent = line.find_first_not_of(' ');
    if (indent == std::string::npos || line[indent] == '}' || line[indent] == ']') continue;
    if (line.back() == ',') line.pop_back();
    const size_t colon = section == "classes" && indent > 6 ? std::string::npos : line.find("\": ");
    const std::string key = colon == std::string::npos ? "" : line.substr(indent + 1, colon - indent - 1);
    const std::string value = colon == std::string::npos ? line.substr(indent) : line.substr(colon + 3);
    if (indent == 4) {
      heads.push_back({});
      heads.back().name = key;
    } else if (indent == 6) {
      section = key;
      if (key == "kind") heads.back().kind = unquoted(value);
      if (key == "score_threshold") heads.back().score_threshold = std::stod(value);
    } else if (section == "classes") {
      heads.back().classes.push_back(unquoted(value));
    } else if (section == "metadata" && key == "unit") {
      heads.back().unit = unquoted(value);
    } else if (section == "postprocess" && indent == 8) {
      heads.back().steps[step = key];
    } else if (section == "postprocess") {
      heads.back().steps[step][key] = std::stod(value);
    }
  }
  for (const Head& head : heads) refuse_unknown(head);
  return heads;
}
