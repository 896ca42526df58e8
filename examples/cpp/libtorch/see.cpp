// Runs a file of `hydranet export RUN --to torchscript` with LibTorch: one frame in, every array of every head out.
//
//   see model.torchscript frame.ppm OUT [least score] [most overlap] [limit] [candidates] [depth head]
//
// Writes OUT/TASK.FIELD.npy for each array and prints what each head says: boxes that are left after suppression, lines,
// instances of points, classes, numbers; and what the heads of a cascade say of each box that is cut out. The graph
// normalizes and decodes by itself: it takes uint8 RGB in the size that manifest.json names ("input"). What is printed is in
// pixels of that frame; the arrays are in pixels of what the network sees, which differ for files of --fit.
#include <torch/script.h>

#include <dlfcn.h>

#include <filesystem>
#include <iostream>
#include <regex>

#include "../cascades.h"
#include "../input.h"

// The names of the outputs, in order: the keys of "outputs" in the manifest that travels inside the file.
std::vector<std::string> output_names(const std::string& manifest) {
  const size_t begin = manifest.find("\n  \"outputs\": {");
  if (begin == std::string::npos) throw std::runtime_error("this file holds no manifest; export the run again");
  const std::string text = manifest.substr(begin, manifest.find("\n  }", begin + 1) - begin);
  const std::regex key("\n    \"([^\"]+)\": \\{");
  std::vector<std::string> names;
  for (auto found = std::sregex_iterator(text.begin(), text.end(), key); found != std::sregex_iterator(); ++found)
    names.push_back((*found)[1]);
  return names;
}

std::string numpy_type(torch::ScalarType type) {
  switch (type) {
    case torch::kFloat32: return "<f4";
    case torch::kInt64: return "<i8";
    case torch::kInt32: return "<i4";
    case torch::kUInt8: return "|u1";
    case torch::kBool: return "|b1";
    default: throw std::runtime_error(std::string("no numpy type for ") + c10::toString(type));
  }
}

// A file that is open: its manifest, its heads, and what it answers.
struct Network {
  std::string manifest;
  std::vector<Head> heads;
  std::vector<std::string> names;
  torch::jit::Module model;
  std::vector<torch::Tensor> kept;  // own the numbers of the last answer

  explicit Network(const std::string& path) {
    torch::jit::ExtraFilesMap inside{{"hydranet.json", ""}};
    model = torch::jit::load(path, torch::kCPU, inside);
    manifest = inside["hydranet.json"];
    names = output_names(manifest);
    heads = heads_of(manifest);
    if (std::regex_search(manifest, std::regex("\n  \"camera\": \\{[^}]*\"fixed\": null")))
      throw std::runtime_error("this file takes a camera as an input; export it with --focal-px for yours");
  }

  // The arrays for a frame; they hold until the next one.
  Arrays operator()(Frame& frame, const Limits& limits) {
    refuse_size(manifest, frame.height, frame.width);
    const auto [least_score, most_overlap] = thresholds_of(heads, limits);
    std::vector<torch::jit::IValue> inputs{
        torch::from_blob(frame.rgb.data(), {1, frame.height, frame.width, 3}, torch::kUInt8)};
    if (model.get_method("forward").num_inputs() > 2) {  // exported with --nms inside: thresholds are inputs
      inputs.emplace_back(torch::tensor({least_score}));
      inputs.emplace_back(torch::tensor({most_overlap}));
    }
    const auto answers = model.forward(inputs).toTuple()->elements();
    TORCH_CHECK(answers.size() == names.size(), "the manifest names ", names.size(), " arrays, the graph gives ",
                answers.size());
    Arrays arrays;
    kept.clear();
    for (size_t i = 0; i < names.size(); ++i) {
      const torch::Tensor array = kept.emplace_back(answers[i].toTensor().contiguous());
      arrays[names[i]] = {array.sizes().vec(), numpy_type(array.scalar_type()), array.data_ptr(), array.nbytes()};
    }
    return arrays;
  }
};

int main(int count, char** words) try {
  if (count < 4)
    throw std::runtime_error("see model.torchscript frame.ppm OUT [least score] [most overlap] [limit] [candidates] "
                             "[depth head]");
  const std::filesystem::path path = words[1], out = words[3];
  const Limits limits = read_limits(count, words, 4);
  const std::string depth = count > 8 ? words[8] : "";  // boxes get their distance from this head, in meters

  // Only files with a two_stage detector need torchvision's operators; the environment names its library.
  if (const char* library = std::getenv("TORCHVISION_LIBRARY"))
    if (!dlopen(library, RTLD_NOW | RTLD_GLOBAL)) throw std::runtime_error(dlerror());

  c10::InferenceMode no_gradients;
  Network network(path.string());
  Frame frame = read_ppm(words[2]);
  const Arrays arrays = network(frame, limits);
  std::filesystem::create_directories(out);
  for (const auto& [name, one] : arrays)
    write_npy((out / (name + ".npy")).string(), one.type, one.shape, one.data, one.bytes);
  const Canvas canvas{&frame, place_in_frame(network.manifest)};
  print_answers(whole_heads(network.heads, cascades_of(network.manifest)), arrays, limits, meters_of(arrays, depth), canvas);
  print_cascades(network, path, arrays, canvas, limits, [](const std::string& file) { return Network(file); });
  return 0;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
