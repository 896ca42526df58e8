// Which heads of a file these programs answer for, by the manifest that travels inside it.
#pragma once

#include <regex>
#include <stdexcept>
#include <string>

// Throws, naming the head, where arrays of the graph are not yet the answer: a step after it other than nms, which is
// all that is written here, or points of instances. The manifest is JSON, two spaces for each level.
inline void refuse_unknown_heads(const std::string& manifest) {
  const size_t begin = manifest.find("\n  \"heads\": {");
  if (begin == std::string::npos) throw std::runtime_error("this file holds no manifest; export the run again");
  const std::string heads = manifest.substr(begin, manifest.find("\n  }", begin + 1) - begin);
  const std::regex line("\n(    |        )\"([^\"]+)\": \\{|\n      \"kind\": \"([^\"]+)\"");
  std::string head;
  for (auto found = std::sregex_iterator(heads.begin(), heads.end(), line); found != std::sregex_iterator(); ++found) {
    const std::string indent = (*found)[1], name = (*found)[2], kind = (*found)[3];
    std::string unknown;
    if (indent.size() == 4) head = name;
    if (indent.size() == 8 && name != "nms") unknown = "the step " + name;
    if (kind == "Keypoints" || kind == "Polylines") unknown = "the kind " + kind;
    if (!unknown.empty())
      throw std::runtime_error("head " + head + " has " + unknown + ", which this program does not know; export the " +
                               "other heads (--heads), or use hydranet.Predictor");
  }
}
