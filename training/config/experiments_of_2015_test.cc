// Every number of the published experiments of 2015 in configs/, against its source.
//
// Sources, by the names used below:
//   paper      Ren, He, Girshick, Sun, arXiv:1506.01497v3
//   Python     rbgirshick/py-faster-rcnn at 781a917: lib/fast_rcnn/config.py, experiments/cfgs,
//              models/pascal_voc, tools/train_faster_rcnn_alt_opt.py
//   MATLAB     ShaoqingRen/faster_rcnn at 49ad099: proposal_config.m, fast_rcnn_config.m,
//              experiments/+Model; copies of the prototxts that come with its weights

#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/training/config/expected_fields.h"
#include "rcnn/training/config/experiments_folder.h"

namespace rcnn::training {
namespace {

using ::testing::IsEmpty;

struct Network {
  const char* field;  // of BackboneConfig
  double frozen_stages;
  double rpn_channels;
  double pool_size;
  std::vector<double> fc_channels;
  const char* dropout_scale;
  const char* weights;
};

// Layers and their sizes: the prototxts in models/pascal_voc/*/faster_rcnn_alt_opt.
// Frozen: lr_mult 0 in VGG_CNN_M_1024's conv1 and VGG16's conv1_1 to conv2_2.
const Network kZf = {"zf", 0, 256, 6, {4096, 4096}, "IN_TEST", "ZF"};
const Network kVggM = {"vgg_cnn_m_1024", 1, 256, 6, {4096, 1024}, "IN_TRAINING", "VGG_CNN_M_1024"};
const Network kVgg16 = {"vgg16", 2, 512, 7, {4096, 4096}, "IN_TRAINING", "VGG16"};

enum class Code { kPython, kMatlab };

struct Schedule {
  double learning_rate;
  double iterations;
  double step;
  double batches_per_update;
};

const std::vector<double> kVocAnchors = {128, 256, 512};

struct Experiment2015 {
  const char* name;
  Network network;
  Code code;
  // "voc07", "voc0712", "coco14".
  const char* data;
  std::vector<double> anchor_sizes_px;
  Schedule rpn;
  Schedule fast;
};

// solver.prototxt of both stages; MATLAB's solver_60k80k, solver_30k40k and, for 07+12,
// solver_30k60k. COCO: paper, Sec. 4.2, 8 GPUs with 1 or 2 images each.
const Schedule kRpn = {0.001, 80000, 60000, 1};
const Schedule kFast = {0.001, 40000, 30000, 1};
const Schedule kFast0712 = {0.001, 60000, 30000, 1};
const Schedule kCoco = {0.003, 320000, 240000, 8};

const std::vector<Experiment2015>& Alternating() {
  static const auto& table = *new std::vector<Experiment2015>{
      {"voc07_zf_alternating", kZf, Code::kPython, "voc07", kVocAnchors, kRpn, kFast},
      {"voc07_vgg_m_alternating", kVggM, Code::kPython, "voc07", kVocAnchors, kRpn, kFast},
      {"voc07_vgg16_alternating", kVgg16, Code::kPython, "voc07", kVocAnchors, kRpn, kFast},
      {"voc07_vgg16_alternating_official", kVgg16, Code::kMatlab, "voc07", kVocAnchors, kRpn,
       kFast},
      {"voc0712_vgg16_alternating", kVgg16, Code::kPython, "voc0712", kVocAnchors, kRpn, kFast0712},
      {"coco_vgg16_alternating",
       kVgg16,
       Code::kPython,
       "coco14",
       {64, 128, 256, 512},
       kCoco,
       kCoco},
  };
  return table;
}

void SetVoc(ExpectedFields& f, const std::string& path, const char* split, const char* year,
            const char* difficult) {
  f.SetText(path + ".voc.split", split);
  f.Set(path + ".voc.coordinates", "ONE_BASED_INCLUSIVE");
  f.SetText(path + ".paths.folder", absl::StrCat("VOCdevkit/VOC", year));
  f.Set(path + ".difficult", difficult);
  f.SetBool(path + ".inclusive_boxes", true);
}

// config.py: SCALES 600, MAX_SIZE 1000, USE_FLIPPED; difficult objects are not trained
// on (datasets/pascal_voc.py), and neither required nor penalised (voc_eval.py).
void SetData2015(ExpectedFields& f, const std::string& data) {
  if (data == "coco14") {
    SetCoco(f, "data.train", "train2014", "KEEP_MARK");
    SetCoco(f, "data.test", "val2014", "KEEP_MARK");
    f.SetBool("data.train.inclusive_boxes", true);
    f.SetBool("data.test.inclusive_boxes", true);
  } else if (data == "voc0712") {
    SetVoc(f, "data.train.concat.parts[0]", "trainval", "2007", "LEAVE_OUT");
    SetVoc(f, "data.train.concat.parts[1]", "trainval", "2012", "LEAVE_OUT");
  } else {
    SetVoc(f, "data.train", "trainval", "2007", "LEAVE_OUT");
  }
  if (data != "coco14") SetVoc(f, "data.test", "test", "2007", "KEEP_MARK");
  f.Set("data.transform.resize.shortest_side_px", std::vector<double>{600});
  f.Set("data.transform.resize.longest_side_px", 1000);
  f.Set("data.transform.resize.rounding", "HALF_TO_EVEN");
  f.Set("data.transform.flip", "DOUBLE_DATASET");
  f.Set("data.transform.pad_to_multiple_px", 1);
}

void SetCoder2015(ExpectedFields& f, const std::string& path, Code code) {
  f.SetBool(path + ".inclusive_corners", true);
  f.SetBool(path + ".decode_one_pixel_larger", code == Code::kPython);
  f.Set(path + ".max_log_scale", 0);
}

// RPN_PRE_NMS_TOP_N, RPN_POST_NMS_TOP_N, RPN_NMS_THRESH, RPN_MIN_SIZE.
void SetProposals2015(ExpectedFields& f, const std::string& path, double before, double after) {
  f.Set(path + ".before_nms", before);
  f.Set(path + ".after_nms", after);
  f.Set(path + ".nms_iou", 0.7);
  f.Set(path + ".min_side_px", 16);
  f.SetBool(path + ".drop_small_first", true);
}

// lib/rpn/anchor_target_layer.py, config.py; paper, Sec. 3.1.2 and 3.1.3; of MATLAB
// bbox_pred's loss weight 10 and proposal_prepare_image_roidb.m.
void SetRpn2015(ExpectedFields& f, const Network& network, Code code,
                const std::vector<double>& sizes_px) {
  f.Set("model.rpn.anchors.size_px", sizes_px);
  f.Set("model.rpn.anchors.aspect_ratio", std::vector<double>{0.5, 1, 2});
  f.Set("model.rpn.anchors.rounding", "WHOLE_PIXELS");
  f.Set("model.rpn.anchors.stride", "OF_BACKBONE");
  f.Set("model.rpn.channels", network.rpn_channels);
  f.Set("model.rpn.num_convs", 1);
  f.Set("model.rpn.objectness", "SOFTMAX");
  const std::string targets = "model.rpn.targets.", loss = "model.rpn.loss.";
  f.Set(targets + "foreground_iou", 0.7);
  f.Set(targets + "background_iou", 0.3);
  f.Set(targets + "anchors_per_image", 256);
  f.Set(targets + "positive_fraction", 0.5);
  f.Set(targets + "max_overhang_px", 0);
  const bool python = code == Code::kPython;
  f.Set(targets + "box_normalization", python ? "NONE" : "MEASURED");
  const double sigma = python ? 3 : 1;
  f.Set(loss + "smooth_l1_beta", 1 / (sigma * sigma));
  f.Set(loss + "box_weight", python ? 1 : 10);
  f.Set(loss + "box_normalizer", python ? "SAMPLED_ANCHORS" : "MAP_CELLS");
  SetProposals2015(f, "model.rpn.test_proposals", 6000, 300);
  SetCoder2015(f, "model.rpn.box_coder", code);
}

// The differences between the experiments with a head of 2015.
struct HeadNumbers {
  double rois_per_image;
  double background_min_iou;
  const char* box_normalization;
};

// lib/roi_data_layer/minibatch.py, config.py, test.py; fast_rcnn_config.m, fast_rcnn_test.m.
void SetHead2015(ExpectedFields& f, const Network& network, Code code, const HeadNumbers& numbers) {
  f.Set("model.head.pool.roi_pool", "{}");
  f.Set("model.head.pool.size", network.pool_size);
  f.Set("model.head.fc.fc_channels", network.fc_channels);
  f.Set("model.head.fc.dropout", 0.5);
  f.Set("model.head.fc.dropout_scale", network.dropout_scale);
  const std::string targets = "model.head.targets.", detections = "model.head.detections.";
  f.Set(targets + "foreground_iou", 0.5);
  f.Set(targets + "background_max_iou", 0.5);
  f.Set(targets + "background_min_iou", numbers.background_min_iou);
  f.Set(targets + "rois_per_image", numbers.rois_per_image);
  f.Set(targets + "positive_fraction", 0.25);
  f.SetBool(targets + "add_ground_truth", true);
  f.Set(targets + "box_normalization", numbers.box_normalization);
  f.Set("model.head.loss.smooth_l1_beta", 1);
  f.Set("model.head.loss.box_weight", 1);
  const bool python = code == Code::kPython;
  f.Set(detections + "min_score", python ? 0.05 : 0);
  f.Set(detections + "nms_iou", 0.3);
  f.Set(detections + "max_per_class", python ? 0 : 100);
  f.Set(detections + "max_per_image", python ? 100 : 20 * 100);
  f.Set(detections + "min_side_px", 0);
  f.SetBool(detections + "decode_in_original_pixels", true);
  SetCoder2015(f, "model.head.box_coder", code);
}

void SetCommon2015(ExpectedFields& f, const std::string& name, const Network& network, Code code) {
  f.SetText("name", name);
  f.Set("seed", code == Code::kPython ? 3 : 6);
  const std::string backbone = absl::StrCat("model.backbone.", network.field);
  if (std::string(network.field) == "vgg16") {
    f.SetBool(backbone + ".ceil_mode_pools", true);
  } else {
    f.Set(backbone, "{}");
  }
  f.Set("model.backbone.frozen_stages", network.frozen_stages);
  f.Set("model.normalization.channel_order", "BGR");
  f.Set("model.normalization.scale", 1);
  f.Set("model.normalization.mean", std::vector<double>{102.9801, 115.9465, 122.7717});
  f.SetText("pretrained.file", absl::StrCat("imagenet_models/", network.weights, ".v2.caffemodel"));
  f.SetText("pretrained.names", "caffe");
}

void SetSolver2015(ExpectedFields& f, const std::string& training, const Schedule& schedule) {
  const std::string solver = training + ".solver.";
  f.Set(solver + "sgd.momentum", 0.9);
  f.Set(solver + "sgd.momentum_form", "LR_INSIDE");
  f.Set(solver + "learning_rate", schedule.learning_rate);
  f.Set(solver + "weight_decay", 0.0005);
  f.Set(solver + "iterations", schedule.iterations);
  f.Set(solver + "step.size", schedule.step);
  f.Set(solver + "step.gamma", 0.1);
  f.Set(solver + "batches_per_update", schedule.batches_per_update);
  f.Set(solver + "max_gradient_norm", 0);
  // lr_mult 1 and 2; no decay_mult, so biases decay as weights do.
  f.Set(solver + "rules[0].kind", "BIAS");
  f.Set(solver + "rules[0].learning_rate_multiplier", 2);
  f.Set(solver + "rules[0].weight_decay_multiplier", 1);
}

void SetBatching2015(ExpectedFields& f, const std::string& training, double images, Code code) {
  const bool python = code == Code::kPython;
  f.Set(training + ".batching.images_per_batch", images);
  // Python pairs images by shape for batches of one too (roi_data_layer/layer.py).
  f.SetBool(training + ".batching.group_by_aspect", python || images > 1);
  f.Set(training + ".batching.tail", python ? "DROP_LAST_BATCH" : "DROP_INCOMPLETE");
  f.Set(training + ".average_decay", 0);
}

void SetRpnStage(ExpectedFields& f, int index, const std::string& name,
                 const Experiment2015& experiment) {
  const std::string stage = absl::StrCat("stages[", index, "]"), rpn = stage + ".train_rpn";
  f.SetText(stage + ".name", name);
  SetSolver2015(f, rpn + ".training", experiment.rpn);
  SetBatching2015(f, rpn + ".training", 1, experiment.code);
  // roidb.py's filter finds no RoI in an image without objects; MATLAB has none.
  f.SetBool(rpn + ".leave_out_empty_images", experiment.code == Code::kPython);
}

void SetProposalStage(ExpectedFields& f, int index, const std::string& name, const std::string& rpn,
                      Code code) {
  const std::string stage = absl::StrCat("stages[", index, "]");
  f.SetText(stage + ".name", name);
  f.SetText(stage + ".generate_proposals.rpn", rpn);
  f.Set(stage + ".generate_proposals.dataset", "TRAIN");
  // All anchors, then 2,000 (rpn_generate's TEST.RPN_PRE_NMS_TOP_N -1, per_nms_topN -1).
  SetProposals2015(f, stage + ".generate_proposals.proposals", 0, 2000);
  f.SetBool(stage + ".generate_proposals.on_mirrored_images", code == Code::kMatlab);
}

void SetFastStage(ExpectedFields& f, int index, const std::string& name,
                  const std::string& proposals, const Schedule& schedule, Code code) {
  const std::string stage = absl::StrCat("stages[", index, "]"), fast = stage + ".train_fast_rcnn";
  f.SetText(stage + ".name", name);
  f.SetText(fast + ".proposals", proposals);
  SetSolver2015(f, fast + ".training", schedule);
  SetBatching2015(f, fast + ".training", 2, code);
}

void SetInit(ExpectedFields& f, int stage, int index, const std::string& source,
             const std::vector<std::string>& parts) {
  const std::string path = absl::StrCat("stages[", stage, "].init[", index, "].");
  f.SetText(path + "stage", source);
  f.Set(path + "part", absl::StrCat("[\"", absl::StrJoin(parts, "\", \""), "\"]"));
}

// Initial weights: train_faster_rcnn_alt_opt.py, which copies networks by
// the names of their layers, and script_faster_rcnn_VOC2007_VGG16.m.
void SetFourSteps(ExpectedFields& f, const Experiment2015& experiment) {
  SetRpnStage(f, 0, "rpn1", experiment);
  f.SetBool("stages[0].init[0].pretrained", true);
  SetProposalStage(f, 1, "proposals1", "rpn1", experiment.code);
  SetFastStage(f, 2, "fast1", "proposals1", experiment.fast, experiment.code);
  f.SetBool("stages[2].init[0].pretrained", true);
  // Step 3's RPN layers are new: step 2's network has none that were trained.
  SetRpnStage(f, 3, "rpn2", experiment);
  SetInit(f, 3, 0, "fast1", {"backbone"});
  f.Set("stages[3].freeze", "[\"backbone\"]");
  SetProposalStage(f, 4, "proposals2", "rpn2", experiment.code);
  SetFastStage(f, 5, "fast2", "proposals2", experiment.fast, experiment.code);
  if (experiment.code == Code::kPython) {
    // cls_score and bbox_pred are not in step 3's network, so they are new.
    SetInit(f, 5, 0, "rpn2", {"backbone"});
    SetInit(f, 5, 1, "fast1", {"head.fc6", "head.fc7"});
  } else {
    SetInit(f, 5, 0, "fast1", {"backbone", "head"});
  }
  f.Set("stages[5].freeze", "[\"backbone\"]");
  SetFinal(f, 6, "rpn2", "fast2");
}

TEST(ExperimentsOf2015Test, AlternatingTraining) {
  for (const Experiment2015& experiment : Alternating()) {
    SCOPED_TRACE(experiment.name);
    ExpectedFields f;
    SetCommon2015(f, experiment.name, experiment.network, experiment.code);
    SetData2015(f, experiment.data);
    SetRpn2015(f, experiment.network, experiment.code, experiment.anchor_sizes_px);
    // 128 RoIs of 2 images; BG_THRESH_LO 0.0 (faster_rcnn_alt_opt.yml), bg_thresh_lo 0.1.
    SetHead2015(f, experiment.network, experiment.code,
                {64, experiment.code == Code::kPython ? 0 : 0.1, "PER_CLASS"});
    SetFourSteps(f, experiment);
    EXPECT_THAT(FieldDefects(LoadNamedExperiment(experiment.name), f), IsEmpty());
  }
}

// faster_rcnn_end2end.yml and models/pascal_voc/VGG16/faster_rcnn_end2end: 1 image,
// iter_size 2, 128 RoIs of it, fixed normalisation.
TEST(ExperimentsOf2015Test, JointTraining) {
  const char* name = "voc07_vgg16_joint";
  ExpectedFields f;
  SetCommon2015(f, name, kVgg16, Code::kPython);
  SetData2015(f, "voc07");
  f.SetBool("data.train.leave_out_empty_images", true);
  SetRpn2015(f, kVgg16, Code::kPython, kVocAnchors);
  SetProposals2015(f, "model.rpn.train_proposals", 12000, 2000);
  SetHead2015(f, kVgg16, Code::kPython, {128, 0, "FIXED"});
  f.Set("model.head.targets.box_mean", std::vector<double>{0, 0, 0, 0});
  f.Set("model.head.targets.box_std", std::vector<double>{0.1, 0.1, 0.2, 0.2});
  f.SetText("stages[0].name", "joint");
  SetSolver2015(f, "stages[0].train_joint.training", {0.001, 70000, 50000, 2});
  SetBatching2015(f, "stages[0].train_joint.training", 1, Code::kPython);
  f.SetBool("stages[0].init[0].pretrained", true);
  SetFinal(f, 1, "joint", "joint");
  EXPECT_THAT(FieldDefects(LoadNamedExperiment(name), f), IsEmpty());
}

// models/pascal_voc/VGG16/fast_rcnn and config.py's own BG_THRESH_LO 0.1; 2,000 boxes.
TEST(ExperimentsOf2015Test, FastRcnnOnSelectiveSearch) {
  const char* name = "voc07_vgg16_fast_rcnn_selective_search";
  ExpectedFields f;
  SetCommon2015(f, name, kVgg16, Code::kPython);
  SetData2015(f, "voc07");
  f.SetBool("data.train.leave_out_empty_images", true);
  SetHead2015(f, kVgg16, Code::kPython, {64, 0.1, "PER_CLASS"});
  for (int i = 0; i < 2; ++i) {
    const std::string stage = absl::StrCat("stages[", i, "]");
    f.SetText(stage + ".name", i == 0 ? "search_train" : "search_test");
    f.Set(stage + ".selective_search.dataset", i == 0 ? "TRAIN" : "TEST");
    f.Set(stage + ".selective_search.search.mode", "FAST");
    f.Set(stage + ".selective_search.search.min_side_px", 2);
    f.Set(stage + ".selective_search.search.max_boxes", 2000);
  }
  SetFastStage(f, 2, "fast", "search_train", kFast, Code::kPython);
  f.Set("stages[2].train_fast_rcnn.max_proposals", 2000);
  f.SetBool("stages[2].init[0].pretrained", true);
  f.SetText("stages[3].name", "final");
  f.SetText("stages[3].evaluate.proposals", "search_test");
  f.SetText("stages[3].evaluate.detector", "fast");
  f.Set("stages[3].evaluate.max_proposals", 2000);
  f.Set("stages[3].evaluate.dataset", "TEST");
  EXPECT_THAT(FieldDefects(LoadNamedExperiment(name), f), IsEmpty());
}

// Those without residual networks; experiments_of_detectron2_test.cc checks the others.
TEST(ExperimentsOf2015Test, AreAllChecked) {
  std::set<std::string> known = {"voc07_vgg16_joint", "voc07_vgg16_fast_rcnn_selective_search"};
  for (const Experiment2015& experiment : Alternating()) known.insert(experiment.name);
  for (const std::string& name : ExperimentNames()) {
    if (!absl::StartsWith(name, "voc") && !absl::StartsWith(name, "coco")) continue;
    if (absl::StrContains(name, "resnet")) continue;
    EXPECT_EQ(known.count(name), 1u) << name;
  }
}

}  // namespace
}  // namespace rcnn::training
