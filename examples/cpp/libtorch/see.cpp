// Runs a file of `hydranet export RUN --to torchscript` with LibTorch: one frame in, every array of every head out.
//
//   see model.torchscript frame.ppm OUT [least score] [most overlap] [limit] [candidates] [depth head]
//
// Writes OUT/TASK.FIELD.npy for each array and prints the boxes that are left after suppression. The graph normalises
// and decodes by itself: it takes uint8 RGB in the size that manifest.json names ("input") and gives class ids, metres,
// boxes in pixels of that frame.
#include <torch/script.h>

#include <dlfcn.h>

#include <filesystem>
#include <iostream>
#include <map>
#include <regex>

#include "../frames.h"
#include "../heads.h"

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

int main(int count, char** words) try {
  if (count < 4)
    throw std::runtime_error("see model.torchscript frame.ppm OUT [least score] [most overlap] [limit] [candidates] [depth head]");
  const std::string model_path = words[1], out = words[3];
  const Limits limits = read_limits(count, words, 4);
  const std::string depth = count > 8 ? words[8] : "";  // boxes get their distance from this head, in meters
  const float least_score = limits.least_score, most_overlap = static_cast<float>(limits.most_overlap);

  // Only files with a two_stage detector need torchvision's operators; the environment names its library.
  if (const char* library = std::getenv("TORCHVISION_LIBRARY"))
    if (!dlopen(library, RTLD_NOW | RTLD_GLOBAL)) throw std::runtime_error(dlerror());

  c10::InferenceMode no_gradients;
  torch::jit::ExtraFilesMap inside{{"hydranet.json", ""}};
  torch::jit::Module model = torch::jit::load(model_path, torch::kCPU, inside);
  const std::vector<std::string> names = output_names(inside["hydranet.json"]);
  refuse_unknown_heads(inside["hydranet.json"]);

  if (std::regex_search(inside["hydranet.json"], std::regex("\n  \"camera\": \\{[^}]*\"fixed\": null")))
    throw std::runtime_error("this file takes a camera as an input; export it with --focal-px for yours");

  Frame frame = read_ppm(words[2]);
  const auto image = torch::from_blob(frame.rgb.data(), {1, frame.height, frame.width, 3}, torch::kUInt8);
  std::vector<torch::jit::IValue> inputs{image};
  if (model.get_method("forward").num_inputs() > 2) {  // exported with --nms inside: thresholds are inputs
    inputs.emplace_back(torch::tensor({least_score}));
    inputs.emplace_back(torch::tensor({most_overlap}));
  }
  const auto answers = model.forward(inputs).toTuple()->elements();
  TORCH_CHECK(answers.size() == names.size(), "the manifest names ", names.size(), " arrays, the graph gives ", answers.size());

  std::filesystem::create_directories(out);
  std::map<std::string, torch::Tensor> arrays;
  for (size_t i = 0; i < names.size(); ++i) {
    const torch::Tensor array = answers[i].toTensor().contiguous();
    write_npy(out + "/" + names[i] + ".npy", numpy_type(array.scalar_type()), array.sizes().vec(), array.data_ptr(),
              array.nbytes());
    arrays[names[i]] = array;
  }
  Meters meters;
  if (!depth.empty()) {
    const torch::Tensor& map = arrays.at(depth + ".values");
    meters = {map.data_ptr<float>(), static_cast<int>(map.size(1)), static_cast<int>(map.size(2))};
  }
  for (const auto& [name, xyxy] : arrays) {
    const size_t dot = name.rfind(".xyxy");
    if (dot == std::string::npos) continue;
    const std::string task = name.substr(0, dot);
    const torch::Tensor label = arrays.at(task + ".label").to(torch::kInt64), score = arrays.at(task + ".score");
    print_boxes(task, suppressed(xyxy.data_ptr<float>(), label.data_ptr<int64_t>(), score.data_ptr<float>(),
                                 static_cast<size_t>(score.numel()), limits), meters);
  }
  return 0;
} catch (const std::exception& error) {
  std::cerr << "error: " << error.what() << '\n';
  return 1;
}
