// Published experiments from end to end with two iterations per stage, on generated
// images written in the experiment's format, from random weights with the names of
// the real ImageNet weights.
//
// The tests reduce images, anchors, fully connected layers, the numbers of proposals,
// iterations, and batches per update. The classes come from the data, so any number
// of them works.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/coco/coco_writer.h"
#include "rcnn/data/sources/make_dataset.h"
#include "rcnn/data/voc/voc_writer.h"
#include "rcnn/detection/faster_rcnn.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/weights/caffe.pb.h"
#include "rcnn/detection/weights/known_name_maps.h"
#include "rcnn/detection/weights/module_state.h"
#include "rcnn/detection/weights/weights_file.h"
#include "rcnn/training/config/experiment.h"
#include "rcnn/training/scheduler/scheduler.h"

namespace rcnn::training {
namespace {

using configs::ExperimentConfig;
using detection::weights::StateDict;

constexpr int kClasses = 2;

std::string Folder(const std::string& name) {
  return absl::StrCat(std::getenv("TEST_TMPDIR"), "/", name);
}

std::unique_ptr<data::Dataset> Shapes(uint64_t seed) {
  configs::DatasetConfig config;
  configs::ShapesConfig& shapes = *config.mutable_shapes();
  shapes.set_seed(seed);
  shapes.set_num_images(4);
  shapes.set_num_classes(kClasses);
  shapes.set_width_px(96);
  shapes.set_height_px(64);
  shapes.set_min_objects(3);
  shapes.set_min_diameter_px(16);
  shapes.set_max_diameter_px(48);
  return data::MakeDataset(config, {}).value();
}

// The folders that --data_root holds, once for all tests.
const std::string& DataRoot() {
  static const auto& root = *new std::string([] {
    const std::string path = Folder("data");
    const std::string voc = path + "/VOCdevkit/VOC20";
    EXPECT_THAT(data::WriteVoc(*Shapes(1), voc + "07", {.split = "trainval"}), IsOk());
    EXPECT_THAT(data::WriteVoc(*Shapes(2), voc + "07", {.split = "test"}), IsOk());
    EXPECT_THAT(data::WriteVoc(*Shapes(3), voc + "12", {.split = "trainval"}), IsOk());
    uint64_t seed = 4;
    for (const char* part : {"train2014", "val2014", "train2017", "val2017"}) {
      EXPECT_THAT(data::WriteCoco(*Shapes(seed++),
                                  absl::StrCat(path, "/coco/annotations/instances_", part, ".json"),
                                  absl::StrCat(path, "/coco/", part)),
                  IsOk());
    }
    return path;
  }());
  return root;
}

configs::TrainingConfig* FindTraining(configs::StageConfig& stage) {
  if (stage.has_train_rpn()) return stage.mutable_train_rpn()->mutable_training();
  if (stage.has_train_fast_rcnn()) return stage.mutable_train_fast_rcnn()->mutable_training();
  if (stage.has_train_joint()) return stage.mutable_train_joint()->mutable_training();
  return nullptr;
}

void MakeSmall(configs::ProposalsConfig& proposals, int after_nms = 20) {
  proposals.set_before_nms(std::min(proposals.before_nms(), 200));
  proposals.set_after_nms(after_nms);
}

void MakeSmall(configs::ModelConfig& model) {
  if (model.has_rpn()) {
    auto& sizes = *model.mutable_rpn()->mutable_anchors()->mutable_size_px();
    for (int i = 0; i < sizes.size(); ++i) sizes[i] = 16 << (i % 3);
    // A head of convolutions would take most of the time.
    const int after_nms = model.head().has_layer4() ? 4 : 20;
    MakeSmall(*model.mutable_rpn()->mutable_train_proposals(), after_nms);
    MakeSmall(*model.mutable_rpn()->mutable_test_proposals(), after_nms);
  }
  if (!model.head().has_fc()) return;
  for (int& channels : *model.mutable_head()->mutable_fc()->mutable_fc_channels()) channels = 32;
}

void MakeSmall(ExperimentConfig& config) {
  configs::ResizeConfig& resize = *config.mutable_data()->mutable_transform()->mutable_resize();
  resize.clear_shortest_side_px();
  resize.add_shortest_side_px(64);
  MakeSmall(*config.mutable_model());
  for (configs::StageConfig& stage : *config.mutable_stages()) {
    if (stage.has_generate_proposals()) {
      MakeSmall(*stage.mutable_generate_proposals()->mutable_proposals());
    }
    configs::TrainingConfig* training = FindTraining(stage);
    if (training == nullptr) continue;
    configs::SolverConfig& solver = *training->mutable_solver();
    solver.set_iterations(2);
    solver.set_batches_per_update(std::min(solver.batches_per_update(), 2));
  }
  configs::ResourcesConfig& resources = *config.mutable_resources();
  resources.mutable_loader()->set_workers(1);
  resources.set_checkpoint_iterations(0);
  resources.set_checkpoint_seconds(0);
}

// Random ImageNet layers of the experiment's network, with rcnn's names.
StateDict RandomWeights(const ExperimentConfig& config) {
  configs::ModelConfig model = config.model();
  model.clear_rpn();
  model.clear_fpn();
  if (config.model().has_fpn()) model.mutable_head()->mutable_layer4();  // C5 of the classifier
  const auto network = detection::FasterRcnn::Create(model, kClasses).value();
  detection::ResetParameters(*network, MakeGenerator({1, config.name(), 0, "ImageNet"}));
  const at::NoGradGuard no_grad;
  StateDict weights;
  for (const auto& [name, tensor] : detection::weights::ModuleState(*network)) {
    // Inputs have deviations of about 100, and sums of 16 residual layers grow.
    if (absl::StartsWith(name, "backbone.conv1") && tensor.dim() == 4 && tensor.size(1) == 3) {
      tensor.mul_(0.02);
    }
    if (absl::EndsWith(name, "bn3.weight")) tensor.fill_(0.2);
    if (absl::StrContains(name, "cls_score") || absl::StrContains(name, "bbox_pred")) continue;
    weights.Add(name, tensor.detach().clone());
  }
  return weights;
}

StateDict Renamed(const StateDict& weights, const std::string& map_name) {
  const auto* map = detection::weights::FindNameMap(map_name).value();
  StateDict renamed;
  for (const auto& [name, tensor] : weights) {
    renamed.Add(detection::weights::TheirName(*map, name).value(), tensor);
  }
  return renamed;
}

void SaveCaffe(const StateDict& weights, const std::string& path) {
  detection::weights::caffe::NetParameter net;
  net.set_name("ImageNet");
  for (const auto& [name, tensor] : weights) {
    const std::string layer = name.substr(0, name.rfind('.'));
    if (net.layer_size() == 0 || net.layer(net.layer_size() - 1).name() != layer) {
      net.add_layer()->set_name(layer);
    }
    auto& blob = *net.mutable_layer(net.layer_size() - 1)->add_blobs();
    for (const int64_t size : tensor.sizes()) blob.mutable_shape()->add_dim(size);
    const at::Tensor flat = tensor.contiguous();
    blob.mutable_data()->Add(flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel());
  }
  std::ofstream file(path, std::ios::binary);
  ASSERT_TRUE(net.SerializeToOstream(&file));
}

// Writes them where the experiment looks for them, with the classifier's last layer.
void SaveWeights(const ExperimentConfig& config, const StateDict& weights) {
  const std::string path = absl::StrCat(DataRoot(), "/", config.pretrained().file());
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  if (config.pretrained().names() == "caffe") {
    const bool vgg16 = config.model().backbone().has_vgg16();
    StateDict named = Renamed(weights, vgg16 ? "caffe_vgg16" : "caffe_zf");
    named.Add("fc8.weight", at::zeros({10, 32}));
    named.Add("fc8.bias", at::zeros({10}));
    SaveCaffe(named, path);
    return;
  }
  StateDict named = Renamed(weights, "torchvision_resnet_c4");
  named.Add("fc.weight", at::zeros({10, 2048}));
  ASSERT_THAT(detection::weights::SaveStateDict(named, path), IsOk());
}

// The results of the stages of a run.
class Results {
 public:
  explicit Results(std::string path) : path_(std::move(path)) {}

  // Of a stage's directory, "stages/3_rpn2".
  std::string File(const std::string& stage, const std::string& file) const {
    for (const auto& entry : std::filesystem::directory_iterator(path_ + "/stages")) {
      if (absl::EndsWith(entry.path().filename().string(), "_" + stage)) {
        return (entry.path() / file).string();
      }
    }
    ADD_FAILURE() << "no such directory: of stage " << stage;
    return "";
  }
  bool Has(const std::string& stage, const std::string& file) const {
    return std::filesystem::exists(File(stage, file));
  }
  StateDict Weights(const std::string& stage) const {
    return detection::weights::LoadStateDict(File(stage, "model.safetensors")).value();
  }

 private:
  std::string path_;
};

bool Equal(const StateDict& a, const StateDict& b, const std::string& name) {
  return at::equal(*a.Find(name), *b.Find(name));
}

// Cosine of the angle between two tensors: about 1 if one was trained from the other
// for two iterations, about 0 if they were drawn independently.
double Cosine(const StateDict& a, const StateDict& b, const std::string& name) {
  const at::Tensor x = a.Find(name)->flatten().to(at::kDouble);
  const at::Tensor y = b.Find(name)->flatten().to(at::kDouble);
  return (x.dot(y) / (x.norm() * y.norm())).item<double>();
}

constexpr double kSame = 0.9;
constexpr double kOther = 0.5;

struct Finished {
  ExperimentConfig config;
  StateDict imagenet;
  std::unique_ptr<Results> results;
};

// Runs a bundled experiment. `results` is null if it failed.
Finished RunBundled(const std::string& name) {
  Finished run;
  const auto config = LoadExperiment(absl::StrCat("configs/", name, ".textproto"));
  EXPECT_THAT(config, IsOk());
  if (!config.ok()) return run;
  run.config = *config;
  MakeSmall(run.config);
  run.imagenet = RandomWeights(run.config);
  SaveWeights(run.config, run.imagenet);
  SchedulerOptions options;
  options.config = run.config;
  options.data_root = DataRoot();
  options.run_directory = Folder(name);
  options.rehearse = false;
  options.quiet = true;
  const absl::Status status = RunExperiment(options);
  EXPECT_THAT(status, IsOk());
  if (status.ok()) run.results = std::make_unique<Results>(options.run_directory);
  return run;
}

// The part of the backbone that never trains, and the part that does.
void ExpectTrainedFromImageNet(const Finished& run, const std::string& stage,
                               const std::vector<std::string>& frozen) {
  const StateDict weights = run.results->Weights(stage);
  for (const auto& [name, tensor] : run.imagenet) {
    if (!absl::StartsWith(name, "backbone.")) continue;
    const bool is_frozen = std::any_of(frozen.begin(), frozen.end(), [&](const auto& layer) {
      return absl::StartsWith(name, absl::StrCat("backbone.", layer));
    });
    EXPECT_EQ(Equal(run.imagenet, weights, name), is_frozen) << stage << ": " << name;
    if (absl::EndsWith(name, ".weight") && tensor.dim() == 4) {
      EXPECT_GT(Cosine(run.imagenet, weights, name), kSame) << stage << ": " << name;
    }
  }
}

void ExpectSameBackbone(const Finished& run, const std::string& a, const std::string& b) {
  const StateDict one = run.results->Weights(a), other = run.results->Weights(b);
  for (const auto& entry : one) {
    if (!absl::StartsWith(entry.name, "backbone.")) continue;
    EXPECT_TRUE(Equal(one, other, entry.name)) << a << " and " << b << ": " << entry.name;
  }
}

struct Alternating {
  const char* name;
  // Convolutions that never train.
  std::vector<std::string> frozen;
  // Step 4 starts from step 2's whole head.
  bool keeps_head;
};

void PrintTo(const Alternating& experiment, std::ostream* out) { *out << experiment.name; }

class AlternatingExperimentTest : public ::testing::TestWithParam<Alternating> {
 protected:
  void TearDown() override { std::filesystem::remove_all(Folder(GetParam().name)); }
};

TEST_P(AlternatingExperimentTest, StartsEachStageFromItsInit) {
  const Finished run = RunBundled(GetParam().name);
  ASSERT_NE(run.results, nullptr);
  const Results& results = *run.results;
  ExpectTrainedFromImageNet(run, "rpn1", GetParam().frozen);
  ExpectTrainedFromImageNet(run, "fast1", GetParam().frozen);
  ExpectSameBackbone(run, "fast1", "rpn2");
  ExpectSameBackbone(run, "fast1", "fast2");
  const StateDict fast1 = results.Weights("fast1"), fast2 = results.Weights("fast2");
  EXPECT_LT(Cosine(results.Weights("rpn1"), results.Weights("rpn2"), "rpn.conv.weight"), kOther);
  for (const char* layer : {"head.fc6.weight", "head.fc7.weight"}) {
    EXPECT_GT(Cosine(run.imagenet, fast1, layer), kSame) << layer;
    EXPECT_GT(Cosine(fast1, fast2, layer), kSame) << layer;
    EXPECT_FALSE(Equal(fast1, fast2, layer)) << layer;
  }
  const double cosine = Cosine(fast1, fast2, "head.cls_score.weight");
  if (GetParam().keeps_head) {
    EXPECT_GT(cosine, kSame);
  } else {
    EXPECT_LT(cosine, kOther);
    EXPECT_LT(Cosine(fast1, fast2, "head.bbox_pred.weight"), kOther);
  }
  const bool mirrored = run.config.stages(1).generate_proposals().on_mirrored_images();
  EXPECT_EQ(results.Has("proposals1", "mirrored_proposals.safetensors"), mirrored);
  for (const char* file : {"metrics.json", "detections.json", "model.safetensors"}) {
    EXPECT_TRUE(results.Has("final", file)) << file;
  }
}

const std::vector<std::string> kVgg16Frozen = {"conv1_", "conv2_"};

INSTANTIATE_TEST_SUITE_P(
    Experiments, AlternatingExperimentTest,
    ::testing::Values(Alternating{"voc07_zf_alternating", {}, false},
                      Alternating{"voc07_vgg_m_alternating", {"conv1."}, false},
                      Alternating{"voc07_vgg16_alternating", kVgg16Frozen, false},
                      Alternating{"voc07_vgg16_alternating_official", kVgg16Frozen, true},
                      Alternating{"voc0712_vgg16_alternating", kVgg16Frozen, false},
                      Alternating{"coco_vgg16_alternating", kVgg16Frozen, false}),
    [](const auto& info) { return std::string(info.param.name); });

class SingleStageExperimentTest : public ::testing::Test {
 protected:
  // Runs `name`, whose detector is trained by the stage `stage`, and checks its
  // results.
  void Check(const std::string& name, const std::string& stage,
             const std::vector<std::string>& frozen, bool has_rpn) {
    folder_ = Folder(name);
    const Finished run = RunBundled(name);
    ASSERT_NE(run.results, nullptr);
    if (!run.config.model().backbone().has_resnet()) {
      ExpectTrainedFromImageNet(run, stage, frozen);
      EXPECT_GT(Cosine(run.imagenet, run.results->Weights(stage), "head.fc6.weight"), kSame);
    } else {
      ExpectResNetFromImageNet(run, stage);
    }
    EXPECT_TRUE(run.results->Has("final", "metrics.json"));
    EXPECT_EQ(run.results->Has("final", "model.safetensors"), has_rpn);
  }

  void TearDown() override { std::filesystem::remove_all(folder_); }

 private:
  // Stem, layer1 and every batch norm are frozen.
  void ExpectResNetFromImageNet(const Finished& run, const std::string& stage) {
    const StateDict weights = run.results->Weights(stage);
    const bool pyramid = run.config.model().has_fpn();
    for (const auto& [name, tensor] : run.imagenet) {
      std::string ours = name;
      if (pyramid && absl::StartsWith(name, "head.layer4.")) ours = "backbone" + name.substr(4);
      ASSERT_NE(weights.Find(ours), nullptr) << ours;
      const bool frozen = tensor.dim() != 4 || absl::StartsWith(ours, "backbone.conv1.") ||
                          absl::StartsWith(ours, "backbone.layer1.");
      EXPECT_EQ(at::equal(tensor, *weights.Find(ours)), frozen) << ours;
    }
  }

  std::string folder_;
};

TEST_F(SingleStageExperimentTest, JointTrainingOfVgg16) {
  Check("voc07_vgg16_joint", "joint", kVgg16Frozen, true);
}

TEST_F(SingleStageExperimentTest, FastRcnnOnSelectiveSearch) {
  Check("voc07_vgg16_fast_rcnn_selective_search", "fast", kVgg16Frozen, false);
}

TEST_F(SingleStageExperimentTest, JointTrainingOfResNet50WithPyramid) {
  Check("coco_resnet50_fpn_joint", "joint", {}, true);
}

TEST_F(SingleStageExperimentTest, JointTrainingOfResNet50OnC4) {
  Check("coco_resnet50_c4_joint", "joint", {}, true);
}

}  // namespace
}  // namespace rcnn::training
