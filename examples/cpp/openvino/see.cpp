// Runs a file of `hydranet export RUN --to onnx` (or openvino) with OpenVINO: one frame in, every array of every head out.
//
//   see model.onnx frame.ppm OUT [least score] [most overlap] [limit] [candidates] [depth head]
//
// Writes OUT/TASK.FIELD.npy for each array and prints what each head says: boxes that are left after suppression, lines,
// instances of points, classes, numbers; and what the heads of a cascade say of each box that is cut out. The graph
// normalizes and decodes by itself: it takes uint8 RGB in the size that manifest.json names ("input"). What is printed is in
// pixels of that frame; the arrays are in pixels of what the network sees, which differ for files of --fit.
#include <filesystem>
#include <iostream>
#include <openvino/openvino.hpp>

#include "../cascades.h"
#include "../input.h"

std::string numpy_type(const ov::element::Type& type) {
  if (type == ov::element::f32) return "<f4";
  if (type == ov::element::i64) return "<i8";
  if (type == ov::element::i32) return "<i4";
  if (type == ov::element::u8) return "|u1";
  if (type == ov::element::boolean) return "|b1";
  throw std::runtime_error("no numpy type for " + type.get_type_name());
}

// The manifest inside a file; OpenVINO keeps what an .onnx file says of itself under "framework".
std::string manifest_of(const ov::Model& model) {
  for (const auto& place : std::vector<std::vector<std::string>>{{"hydranet"}, {"framework", "hydranet"}})
    if (model.has_rt_info(place)) return model.get_rt_info<std::string>(place);
  return "";
}

// A file that is open: its manifest, its heads, and what it answers.
struct Network {
  std::string manifest;
  std::vector<Head> heads;
  ov::CompiledModel model;
  ov::InferRequest request;

  Network(ov::Core& core, const std::string& path) {
    // OpenVINO computes in bf16 where the processor can; for more speed at the price of some digits, leave the hint out.
    const std::shared_ptr<ov::Model> read = core.read_model(path);
    heads = heads_of(manifest = manifest_of(*read));
    model = core.compile_model(read, "CPU", ov::hint::inference_precision(ov::element::f32),
                               ov::hint::performance_mode(ov::hint::PerformanceMode::LATENCY));
    for (const auto& input : model.inputs())
      if (input.get_names().count("camera"))
        throw std::runtime_error("this file takes a camera as an input; export it with --focal-px for yours");
    request = model.create_infer_request();
  }

  // The arrays for a frame; they hold until the next one.
  Arrays operator()(Frame& frame, const Limits& limits) {
    refuse_size(manifest, frame.height, frame.width);
    auto [least_score, most_overlap] = thresholds_of(heads, limits);
    const ov::Shape shape{1, static_cast<size_t>(frame.height), static_cast<size_t>(frame.width), 3};
    request.set_tensor("image", ov::Tensor(ov::element::u8, shape, frame.rgb.data()));  // no copy
    if (model.inputs().size() > 1) {  // exported with --nms inside: thresholds are inputs
      request.set_tensor("score_threshold", ov::Tensor(ov::element::f32, {1}, &least_score));
      request.set_tensor("iou_threshold", ov::Tensor(ov::element::f32, {1}, &most_overlap));
    }
    request.infer();
    Arrays arrays;
    for (const auto& output : model.outputs()) {
      const ov::Tensor array = request.get_tensor(output);
      const ov::Shape sides = array.get_shape();
      arrays[output.get_any_name()] = {{sides.begin(), sides.end()}, numpy_type(array.get_element_type()), array.data(),
                                       array.get_byte_size()};
    }
    return arrays;
  }
};

int main(int count, char** words) try {
  if (count < 4)
    throw std::runtime_error("see model.onnx frame.ppm OUT [least score] [most overlap] [limit] [candidates] [depth head]");
  const std::filesystem::path path = words[1], out = words[3];
  const Limits limits = read_limits(count, words, 4);
  const std::string depth = count > 8 ? words[8] : "";  // boxes get their distance from this head, in meters

  ov::Core core;
  Network network(core, path.string());
  Frame frame = read_ppm(words[2]);
  const Arrays arrays = network(frame, limits);
  std::filesystem::create_directories(out);
  for (const auto& [name, one] : arrays)
    write_npy((out / (name + ".npy")).string(), one.type, one.shape, one.data, one.bytes);
  const Canvas canvas{&frame, place_in_frame(network.manifest)};
  print_answers(whole_heads(network.heads, cascades_of(network.manifest)), arrays, limits, meters_of(arrays, depth), canvas);
  print_cascades(network, path, arrays, canvas, limits, [&](const std::string& file) { return Network(core, file); });
  return 0;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
