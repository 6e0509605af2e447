// Every number of Detectron2's experiments in configs/, 1x schedule, against its source:
// facebookresearch/detectron2 at 02b5c4e, configs/COCO-Detection.

#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/training/config/expected_fields.h"
#include "rcnn/training/config/experiments_folder.h"

namespace rcnn::training {
namespace {

using ::testing::IsEmpty;

struct Detectron2 {
  const char* name;
  bool pyramid;
  double pad_px;
  double rpn_channels;
  // RPN.{PRE,POST}_NMS_TOPK_{TRAIN,TEST}.
  double train_before, train_after, test_before, test_after;
  double pool_size;
};

const Detectron2 kDetectron2[] = {
    {"coco_resnet50_fpn_joint", true, 32, 256, 2000, 1000, 1000, 1000, 7},
    {"coco_resnet50_c4_joint", false, 1, 1024, 12000, 2000, 6000, 1000, 14},
};

void SetDetectron2Rpn(ExpectedFields& f, const Detectron2& experiment) {
  const std::string rpn = "model.rpn.";
  f.Set(rpn + "anchors.size_px", std::vector<double>{32, 64, 128, 256, 512});
  f.Set(rpn + "anchors.aspect_ratio", std::vector<double>{0.5, 1, 2});
  f.Set(rpn + "anchors.rounding", "EXACT");
  f.Set(rpn + "anchors.center_offset", 0);
  f.Set(rpn + "channels", experiment.rpn_channels);
  f.Set(rpn + "objectness", "SIGMOID");
  f.Set(rpn + "targets.foreground_iou", 0.7);
  f.Set(rpn + "targets.background_iou", 0.3);
  f.Set(rpn + "targets.anchors_per_image", 256);
  f.Set(rpn + "targets.positive_fraction", 0.5);
  f.Set(rpn + "targets.box_normalization", "NONE");
  f.Set(rpn + "loss.smooth_l1_beta", 0);
  f.Set(rpn + "loss.box_weight", 1);
  f.Set(rpn + "loss.box_normalizer", "WANTED_ANCHORS");
  f.Set(rpn + "train_proposals.before_nms", experiment.train_before);
  f.Set(rpn + "train_proposals.after_nms", experiment.train_after);
  f.Set(rpn + "train_proposals.nms_iou", 0.7);
  f.Set(rpn + "test_proposals.before_nms", experiment.test_before);
  f.Set(rpn + "test_proposals.after_nms", experiment.test_after);
  f.Set(rpn + "test_proposals.nms_iou", 0.7);
  f.SetBool(rpn + "box_coder.inclusive_corners", false);
  f.Set(rpn + "box_coder.max_log_scale", 4.135166556742356);  // log(1000 / 16)
}

void SetDetectron2Head(ExpectedFields& f, const Detectron2& experiment) {
  const std::string head = "model.head.";
  f.Set(head + "pool.roi_align.sampling_ratio", 0);
  f.SetBool(head + "pool.roi_align.half_pixel_centers", true);
  f.Set(head + "pool.size", experiment.pool_size);
  if (experiment.pyramid) {
    f.Set(head + "fc.fc_channels", std::vector<double>{1024, 1024});
    f.Set(head + "fc.dropout", 0);
  } else {
    f.Set(head + "layer4.stride", 2);
  }
  f.Set(head + "targets.foreground_iou", 0.5);
  f.Set(head + "targets.background_max_iou", 0.5);
  f.Set(head + "targets.background_min_iou", 0);
  f.Set(head + "targets.rois_per_image", 512);
  f.Set(head + "targets.positive_fraction", 0.25);
  f.SetBool(head + "targets.add_ground_truth", true);
  f.Set(head + "targets.box_normalization", "NONE");
  f.Set(head + "loss.smooth_l1_beta", 0);
  f.Set(head + "loss.box_weight", 1);
  f.Set(head + "detections.min_score", 0.05);
  f.Set(head + "detections.nms_iou", 0.5);
  f.Set(head + "detections.max_per_image", 100);
  f.Set(head + "box_coder.weight", std::vector<double>{10, 10, 5, 5});
  f.SetBool(head + "box_coder.inclusive_corners", false);
  f.Set(head + "box_coder.max_log_scale", 4.135166556742356);
}

void SetDetectron2Data(ExpectedFields& f, const Detectron2& experiment) {
  SetCoco(f, "data.train", "train2017", "LEAVE_OUT");
  f.SetBool("data.train.leave_out_empty_images", true);
  SetCoco(f, "data.test", "val2017", "KEEP_MARK");
  f.Set("data.transform.resize.shortest_side_px",
        std::vector<double>{640, 672, 704, 736, 768, 800});
  f.Set("data.transform.resize.longest_side_px", 1333);
  f.Set("data.transform.flip", "AT_RANDOM");
  f.Set("data.transform.pad_to_multiple_px", experiment.pad_px);
}

void SetDetectron2Network(ExpectedFields& f, const Detectron2& experiment) {
  f.Set("model.backbone.resnet.depth", "RESNET_50");
  f.Set("model.backbone.resnet.norm.frozen_batch_norm.epsilon", 1e-5);
  f.Set("model.backbone.frozen_stages", 2);
  if (experiment.pyramid) {
    f.Set("model.fpn.channels", 256);
    f.SetBool("model.fpn.last_level_max_pool", true);
  }
  f.Set("model.normalization.channel_order", "RGB");
  f.Set("model.normalization.scale", 0.00392156862745098);
  f.Set("model.normalization.mean", std::vector<double>{0.485, 0.456, 0.406});
  f.Set("model.normalization.std", std::vector<double>{0.229, 0.224, 0.225});
  f.SetText("pretrained.file", "imagenet_models/resnet50-0676ba61.pth");
  f.SetText("pretrained.names", "torchvision");
}

// 8 workers with 2 images each: the same average of gradients.
void SetDetectron2Stages(ExpectedFields& f) {
  const std::string training = "stages[0].train_joint.training.", solver = training + "solver.";
  f.SetText("stages[0].name", "joint");
  f.Set(solver + "sgd.momentum", 0.9);
  f.Set(solver + "sgd.momentum_form", "LR_OUTSIDE");
  f.Set(solver + "learning_rate", 0.02);
  f.Set(solver + "weight_decay", 0.0001);
  f.Set(solver + "iterations", 90000);
  f.Set(solver + "multi_step.milestones", std::vector<double>{60000, 80000});
  f.Set(solver + "multi_step.gamma", 0.1);
  f.Set(solver + "warm_up.iterations", 1000);
  f.Set(solver + "warm_up.factor", 0.001);
  f.Set(solver + "batches_per_update", 16 / 2);
  f.Set(training + "batching.images_per_batch", 2);
  f.SetBool(training + "batching.group_by_aspect", true);
  f.Set(training + "batching.tail", "DROP_INCOMPLETE");
  f.SetBool("stages[0].init[0].pretrained", true);
  SetFinal(f, 1, "joint", "joint");
}

TEST(ExperimentsOfDetectron2Test, JointTraining) {
  for (const Detectron2& experiment : kDetectron2) {
    SCOPED_TRACE(experiment.name);
    ExpectedFields f;
    f.SetText("name", experiment.name);
    f.Set("seed", 3);
    SetDetectron2Data(f, experiment);
    SetDetectron2Network(f, experiment);
    SetDetectron2Rpn(f, experiment);
    SetDetectron2Head(f, experiment);
    SetDetectron2Stages(f);
    EXPECT_THAT(FieldDefects(LoadNamedExperiment(experiment.name), f), IsEmpty());
  }
}

// Those with residual networks; experiments_of_2015_test.cc checks the others.
TEST(ExperimentsOfDetectron2Test, AreAllChecked) {
  std::set<std::string> known;
  for (const Detectron2& experiment : kDetectron2) known.insert(experiment.name);
  for (const std::string& name : ExperimentNames()) {
    if (!absl::StartsWith(name, "voc") && !absl::StartsWith(name, "coco")) continue;
    if (!absl::StrContains(name, "resnet")) continue;
    EXPECT_EQ(known.count(name), 1u) << name;
  }
}

}  // namespace
}  // namespace rcnn::training
