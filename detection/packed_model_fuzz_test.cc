// A packed model whose arrays were left out, renamed or given other sizes, with a right checksum:
// an error, or a network that can be used. The network takes its own arrays.
//
// Three bytes are an edit: what is done, to which array, and with what.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/safetensors.h"
#include "rcnn/base/safetensors_writer.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/configs/model.pb.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/convolution/precision.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/packed_model.h"

namespace {

using rcnn::SafetensorsSpec;
using rcnn::detection::FasterRcnn;
using rcnn::detection::PackedModelFile;
using rcnn::detection::Precision;

using Specs = std::vector<SafetensorsSpec>;

void Require(bool condition) {
  if (!condition) std::abort();
}

std::shared_ptr<FasterRcnn> NewModel() {
  constexpr char kText[] = R"(
    backbone { tiny {} }
    rpn { anchors { size_px: 16 } channels: 8 test_proposals { after_nms: 2 } }
    head { fc { fc_channels: [8, 8] } detections { max_per_image: 2 } }
  )";
  const auto config = rcnn::configs::ParseTextOrDie<rcnn::configs::ModelConfig>(kText);
  const auto model = FasterRcnn::Create(config, /*num_classes=*/2);
  Require(model.ok());
  (*model)->eval();
  return *model;
}

// The arrays of a file of the network.
Specs PackedSpecs(const std::string& path) {
  const auto model = NewModel();
  rcnn::detection::PrepareForInference(*model);
  Require(rcnn::detection::WritePackedModel(*model, {}, path).ok());
  const auto file = rcnn::SafetensorsFile::Open(path);
  Require(file.ok());
  Specs specs;
  for (const rcnn::SafetensorsArray& array : file->view().arrays()) specs.push_back(array.spec);
  return specs;
}

void Edit(const uint8_t* edit, Specs& specs) {
  if (specs.empty()) return;
  const size_t which = edit[1] % specs.size();
  SafetensorsSpec& spec = specs[which];
  switch (edit[0] % 5) {
    case 0:
      specs.erase(specs.begin() + static_cast<std::ptrdiff_t>(which));
      break;
    case 1:
      spec.shape = {static_cast<int64_t>(edit[2])};
      break;
    case 2:
      spec.shape = {spec.shape[0] + 64 * static_cast<int64_t>(edit[2])};
      break;
    case 3:
      std::swap(spec.name, specs[edit[2] % specs.size()].name);
      break;
    case 4:
      spec.name += static_cast<char>(edit[2] % 0x80);
      break;
  }
}

// Writes arrays of zeros; false if a file cannot have them.
bool Write(const Specs& specs, const std::string& path) {
  // The order and the checksum are those of WritePackedModel.
  const auto ordered = rcnn::SafetensorsWriter::Create(path, specs, {});
  if (!ordered.ok()) return false;
  uint32_t crc = 0;
  for (const SafetensorsSpec& spec : ordered->specs()) {
    crc = rcnn::Crc32c(std::string(static_cast<size_t>(spec.shape[0]), '\0'),
                       rcnn::Crc32c(spec.name, crc));
  }
  auto writer = rcnn::SafetensorsWriter::Create(
      path, specs, {{"crc32c", absl::StrFormat("%08x", crc)}}, /*alignment=*/64);
  if (!writer.ok()) return false;
  for (const SafetensorsSpec& spec : writer->specs()) {
    const std::string zeros(static_cast<size_t>(spec.shape[0]), '\0');
    Require(writer->Append(spec.name, zeros).ok());
  }
  return writer->Commit().ok();
}

bool AreEqual(const Specs& a, const Specs& b) {
  bool equal = a.size() == b.size();
  for (size_t i = 0; equal && i < a.size(); ++i) {
    equal = a[i].name == b[i].name && a[i].shape == b[i].shape;
  }
  return equal;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const rcnn::testing::FuzzFolder folder;
  static const std::string& path = *new std::string(folder.path() + "/model.safetensors");
  static const Specs& known = *new Specs(PackedSpecs(path));
  Specs specs = known;
  for (size_t at = 0; at + 2 < size; at += 3) Edit(data + at, specs);
  if (!Write(specs, path)) return 0;
  const auto file = PackedModelFile::Open(path);
  Require(file.ok());
  const auto model = NewModel();
  const bool filled = file->Fill(Precision::kFloat32, *model).ok();
  Require(filled || !AreEqual(specs, known));
  if (!filled) return 0;
  const at::NoGradGuard no_grad;
  model->Detect(at::zeros({1, 3, 32, 32}), {{32, 32, 1}}, {{32, 32}});
  return 0;
}
