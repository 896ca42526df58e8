// All cascades of a network: the boxes of a frame that were found, each shown to the heads that see crops.
#pragma once

#include <filesystem>

#include "crops.h"

// A line for each box and head. `open` opens a file as a network: with .manifest, .heads, and (frame, limits) -> arrays,
// which hold until the next frame. The graph that sees the crops lies in a folder beside the file, or it is the same one.
template <class Network, class Open>
void print_cascades(const Network& network, const std::filesystem::path& path, const Arrays& arrays, const Canvas& canvas,
                    const Limits& limits, Open open) {
  for (const Cascade& cascade : cascades_of(network.manifest)) {
    std::vector<Crop> crops;
    for (const Head& head : network.heads)
      if (head.name == cascade.boxes) crops = crops_of(cascade, head, boxes_of(head, arrays, limits), canvas);
    const std::filesystem::path beside = path.parent_path() / cascade.folder() / path.filename();
    Network eyes = open(std::filesystem::exists(beside) ? beside.string() : path.string());
    check_fitting(eyes.manifest);
    for (const Crop& crop : crops) {
      Frame seen = letterboxed(*canvas.frame, crop.window, cascade.height, cascade.width);
      const Arrays answers = eyes(seen, limits);
      for (const Head& head : eyes.heads)
        if (std::count(cascade.heads.begin(), cascade.heads.end(), head.name))
          print_crop(head, answers, crop, cascade, limits);
    }
  }
}
