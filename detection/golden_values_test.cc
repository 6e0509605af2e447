// Every LibTorch and every machine computes the same within the tolerances of
// third_party/README.md: initial weights, losses, gradients, proposals and detections of three
// small models, against values that were written once.
//
// testing/write_golden_values.sh writes them, with the default LibTorch. They change only when a
// model or a loss is meant to compute something else.

#include <ATen/ATen.h>
#include <google/protobuf/text_format.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/weights/state_dict.h"
#include "rcnn/detection/weights/weights_file.h"

namespace rcnn::detection {
namespace {

using weights::StateDict;

constexpr char kFile[] = "detection/testdata/golden_values.safetensors";

struct Model {
  std::string name;
  std::string config;
};

std::vector<Model> Models() {
  return {{"tiny",
           "backbone { tiny { channels: 8 } }"
           "rpn { anchors { size_px: [24, 48] } channels: 32 test_proposals { after_nms: 10 } }"
           "head { fc { fc_channels: [32, 32] } }"},
          {"pyramid",
           "backbone { resnet { depth: RESNET_18 norm { batch_norm {} } } }"
           "fpn { channels: 32 } rpn { channels: 32 test_proposals { after_nms: 10 } }"
           "head { fc { fc_channels: [32, 32] } pool { roi_align {} } }"},
          {"zf",
           "backbone { zf {} }"
           "rpn { objectness: SOFTMAX channels: 32 anchors { size_px: [32, 64] }"
           "  test_proposals { after_nms: 10 } }"
           "head { fc { fc_channels: [32, 32] } pool { roi_pool {} size: 6 } }"}};
}

at::Generator Generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

std::shared_ptr<FasterRcnn> Make(const Model& model) {
  configs::ModelConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(model.config, &config)) << model.name;
  auto made = FasterRcnn::Create(config, /*num_classes=*/3).value();
  ResetParameters(*made, Generator(7));
  return made;
}

struct Batch {
  at::Tensor images = at::randn({2, 3, 96, 128}, Generator(1));
  InputSizes sizes = {{96, 128, 1}, {80, 96, 1}};
  GroundTruths truths = {
      {at::tensor({10.f, 10.f, 40.f, 50.f, 60.f, 20.f, 100.f, 70.f}).view({2, 4}),
       at::tensor({1, 3}, at::kLong), at::Tensor()},
      {at::tensor({5.f, 8.f, 60.f, 64.f}).view({1, 4}), at::tensor({2}, at::kLong), at::Tensor()}};
  std::vector<ops::ImageSize> originals = {{96, 128}, {80, 96}};
};

// [N] float64, the Euclidean norms of the tensors.
at::Tensor Norms(const std::vector<at::Tensor>& tensors) {
  std::vector<at::Tensor> norms;
  for (const at::Tensor& tensor : tensors) norms.push_back(tensor.detach().to(at::kDouble).norm());
  return at::stack(norms);
}

void AddTraining(FasterRcnn& model, const Batch& batch, const std::string& name,
                 StateDict* values) {
  values->Add(name + ".weights", Norms(model.parameters()));
  const Losses losses =
      model.ComputeLosses(batch.images, {batch.sizes, batch.truths}, Generator(3));
  std::vector<at::Tensor> parts, gradients;
  for (const auto& [part, loss] : losses.parts) parts.push_back(loss.detach());
  losses.Total().backward();
  for (const at::Tensor& parameter : model.parameters()) gradients.push_back(parameter.grad());
  values->Add(name + ".losses", at::stack(parts));
  values->Add(name + ".gradients", Norms(gradients));
}

void AddInference(FasterRcnn& model, const Batch& batch, const std::string& name,
                  StateDict* values) {
  model.eval();
  PrepareForInference(model);
  const ops::Proposals proposals = model.Propose(batch.images, batch.sizes);
  values->Add(name + ".proposals", proposals.rois);
  values->Add(name + ".proposal_scores", proposals.scores);
  const std::vector<Detections> found = model.Detect(batch.images, batch.sizes, batch.originals);
  for (size_t i = 0; i < found.size(); ++i) {
    values->Add(absl::StrCat(name, ".boxes.", i), found[i].boxes);
    values->Add(absl::StrCat(name, ".scores.", i), found[i].scores);
    values->Add(absl::StrCat(name, ".labels.", i), found[i].labels);
  }
}

StateDict Compute() {
  StateDict values;
  const Batch batch;
  for (const Model& model : Models()) {
    const std::shared_ptr<FasterRcnn> made = Make(model);
    AddTraining(*made, batch, model.name, &values);
    AddInference(*made, batch, model.name, &values);
  }
  return values;
}

// Relative for weights, losses, gradients and scores, and pixels for boxes.
struct Tolerance {
  double relative, absolute;
};

Tolerance FindTolerance(const std::string& name) {
  if (absl::StrContains(name, ".weights")) return {1e-6, 0};
  if (absl::StrContains(name, ".gradients")) return {1e-3, 1e-7};
  if (absl::StrContains(name, ".boxes") || absl::StrContains(name, ".proposals")) return {0, 1e-2};
  return {1e-4, 1e-6};
}

void ExpectClose(const std::string& name, const at::Tensor& found, const at::Tensor& expected) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << name;
  ASSERT_EQ(found.scalar_type(), expected.scalar_type()) << name;
  const Tolerance tolerance = FindTolerance(name);
  EXPECT_TRUE(at::allclose(found, expected, tolerance.relative, tolerance.absolute))
      << name << " differs by up to " << (found - expected).abs().max().item<double>() << ":\n"
      << found << "\nexpected:\n"
      << expected;
}

TEST(GoldenValuesTest, EveryLibTorchComputesTheSame) {
  const StateDict values = Compute();
  const char* write = std::getenv("RCNN_WRITE_GOLDEN_VALUES");
  if (write != nullptr) {
    ASSERT_THAT(weights::SaveStateDict(values, write), IsOk());
    return;
  }
  const StateDict golden = weights::LoadStateDict(kFile).value();
  ASSERT_EQ(golden.size(), values.size());
  for (const StateDict::Entry& entry : golden) {
    const at::Tensor* found = values.Find(entry.name);
    ASSERT_NE(found, nullptr) << entry.name;
    ExpectClose(entry.name, *found, entry.tensor);
  }
}

}  // namespace
}  // namespace rcnn::detection
