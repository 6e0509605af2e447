#include "rcnn/training/stages/box_statistics.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/stream_key.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/data/proposals/proposal_writer.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::training {
namespace {

using data::Box;
using data::testing::FakeDataset;
using data::testing::FakeImage;
using data::testing::MakeObject;

using Proposals = std::vector<std::vector<Box>>;

std::shared_ptr<const data::ProposalFile> MakeProposalFile(const data::Dataset& dataset,
                                                           const Proposals& proposals) {
  const std::string path = FreshDirectory() + "/proposals.safetensors";
  auto writer = data::ProposalWriter::Create(path, dataset, "test").value();
  for (const std::vector<Box>& boxes : proposals) {
    EXPECT_THAT(writer.Append(boxes, std::vector<float>(boxes.size(), 0.5f)), IsOk());
  }
  EXPECT_THAT(writer.Commit(), IsOk());
  return data::ProposalFile::Open(path, dataset).value();
}

configs::HeadConfig Head(const std::string& text = "") {
  return configs::ParseTextOrDie<configs::HeadConfig>(text);
}

// Objects of two classes, crowds and difficult ones among them, and boxes near them.
struct Case {
  std::shared_ptr<FakeDataset> dataset;
  Proposals proposals;
};

Case RandomCase() {
  RandomStream random({.seed = 9, .stage = "box_statistics_test", .step = 0, .purpose = "boxes"});
  const auto uniform = [&](double low, double high) {
    return static_cast<float>(low +
                              (high - low) * static_cast<double>(random.UniformInt(10000)) / 10000);
  };
  std::vector<FakeImage> images;
  Proposals proposals;
  for (int64_t i = 0; i < 12; ++i) {
    FakeImage image = {100, 80, {}};
    std::vector<Box> boxes;
    for (int64_t k = 0; k < i % 4; ++k) {
      const float x = uniform(0, 50), y = uniform(0, 40);
      const Box box = {x, y, x + uniform(10, 45), y + uniform(10, 35)};
      data::Object object = MakeObject(box, 1 + (i + k) % 2);
      object.crowd = k == 2;
      object.difficult = i == 5 && k == 0;
      image.objects.push_back(object);
      for (int n = 0; n < 6; ++n) {
        const float left = box.x1 + uniform(-6, 6), top = box.y1 + uniform(-6, 6);
        boxes.push_back({left, top, left + box.width() * uniform(0.7, 1.4),
                         top + box.height() * uniform(0.7, 1.4)});
      }
    }
    images.push_back(image);
    proposals.push_back(boxes);
  }
  return {std::make_shared<FakeDataset>(images), proposals};
}

double Iou(const Box& a, const Box& b) {
  const double width = std::min<double>(a.x2, b.x2) - std::max<double>(a.x1, b.x1);
  const double height = std::min<double>(a.y2, b.y2) - std::max<double>(a.y1, b.y1);
  if (width <= 0 || height <= 0) return 0;
  const double common = width * height;
  return common / (double{a.width()} * a.height() + double{b.width()} * b.height() - common);
}

using Rows = std::vector<std::array<double, 4>>;

// The targets by class, box by box in float64, as they are defined.
std::map<int64_t, Rows> SlowTargets(const Case& input, double least_iou, bool add,
                                    const BoxStatisticsOptions& options) {
  const auto most = static_cast<size_t>(options.max_proposals);
  std::map<int64_t, Rows> targets;
  for (int64_t i = 0; i < input.dataset->size(); ++i) {
    std::vector<data::Object> objects;
    for (const data::Object& object : input.dataset->objects(i)) {
      if (!object.crowd && !object.difficult) objects.push_back(object);
    }
    std::vector<Box> boxes = input.proposals[static_cast<size_t>(i)];
    if (most > 0 && boxes.size() > most) boxes.resize(most);
    for (const data::Object& object : objects) {
      if (add) boxes.push_back(object.box);
    }
    for (const Box& box : boxes) {
      const data::Object* best = nullptr;
      for (const data::Object& object : objects) {
        if (best == nullptr || Iou(box, object.box) > Iou(box, best->box)) best = &object;
      }
      if (best == nullptr || Iou(box, best->box) < least_iou) continue;
      const Box& gt = best->box;
      const double dx = ((gt.x1 + gt.x2) - (double{box.x1} + box.x2)) / 2 / box.width();
      const double dy = ((gt.y1 + gt.y2) - (double{box.y1} + box.y2)) / 2 / box.height();
      const double dw = std::log(gt.width() / box.width());
      const double dh = std::log(gt.height() / box.height());
      targets[best->label].push_back({dx, dy, dw, dh});
      if (options.mirrored) targets[best->label].push_back({-dx, dy, dw, dh});
      if (options.upside_down) targets[best->label].push_back({dx, -dy, dw, dh});
      if (options.mirrored && options.upside_down) {
        targets[best->label].push_back({-dx, -dy, dw, dh});
      }
    }
  }
  return targets;
}

void ExpectStatistics(const BoxStatistics& found, const std::map<int64_t, Rows>& targets) {
  for (const auto& [label, rows] : targets) {
    ASSERT_GT(rows.size(), 4u);
    for (size_t c = 0; c < 4; ++c) {
      double mean = 0, square = 0;
      for (const auto& row : rows) mean += row[c] / static_cast<double>(rows.size());
      for (const auto& row : rows) {
        square += (row[c] - mean) * (row[c] - mean) / static_cast<double>(rows.size());
      }
      const auto column = static_cast<int64_t>(c);
      EXPECT_NEAR(found.mean[label][column].item<double>(), mean, 1e-6) << label << " " << c;
      EXPECT_NEAR(found.std[label][column].item<double>(), std::sqrt(square), 1e-6)
          << label << " " << c;
    }
  }
}

TEST(BoxStatisticsTest, EqualThoseOfASlowComputation) {
  const Case input = RandomCase();
  const auto file = MakeProposalFile(*input.dataset, input.proposals);
  for (const bool add : {false, true}) {
    const auto head = Head(add ? "targets { foreground_iou: 0.6 }"
                               : "targets { foreground_iou: 0.6 add_ground_truth: false }");
    for (int choice = 0; choice < 8; ++choice) {
      const BoxStatisticsOptions options = {.max_proposals = choice % 2 == 0 ? 0 : 5,
                                            .mirrored = choice / 2 % 2 == 1,
                                            .upside_down = choice / 4 == 1};
      const auto found = MeasureBoxTargets(*input.dataset, *file, head, options);
      ASSERT_THAT(found, IsOk());
      const auto targets = SlowTargets(input, 0.6, add, options);
      ASSERT_EQ(targets.size(), 2u);
      ExpectStatistics(*found, targets);
    }
  }
}

TEST(BoxStatisticsTest, WithMirrorImagesTheMeanOfDxIsZero) {
  const Case input = RandomCase();
  const auto file = MakeProposalFile(*input.dataset, input.proposals);
  const auto plain = MeasureBoxTargets(*input.dataset, *file, Head(), {}).value();
  const auto both = MeasureBoxTargets(*input.dataset, *file, Head(), {.mirrored = true}).value();
  EXPECT_GT(plain.mean.select(1, 0).abs().max().item<double>(), 1e-3);
  EXPECT_LT(both.mean.select(1, 0).abs().max().item<double>(), 1e-7);
  EXPECT_TRUE(both.mean.slice(1, 1).allclose(plain.mean.slice(1, 1), 1e-5, 1e-7));
}

TEST(BoxStatisticsTest, TargetsHaveTheCodersWeights) {
  const Case input = RandomCase();
  const auto file = MakeProposalFile(*input.dataset, input.proposals);
  const auto plain = MeasureBoxTargets(*input.dataset, *file, Head(), {}).value();
  const auto weighted =
      MeasureBoxTargets(*input.dataset, *file, Head("box_coder { weight: [10, 10, 5, 5] }"), {})
          .value();
  const at::Tensor factors = at::tensor({10.f, 10.f, 5.f, 5.f});
  EXPECT_TRUE(weighted.std.slice(0, 1).allclose(plain.std.slice(0, 1) * factors, 1e-4, 1e-6));
}

// Class 1 has one target, class 2 several equal ones: neither can be normalised.
TEST(BoxStatisticsTest, ConstantTargetsAreNotNormalised) {
  const Box box = {10, 10, 50, 40}, wider = {10, 10, 60, 40};
  const FakeDataset dataset(
      std::vector<FakeImage>{{100, 80, {MakeObject(box, 1)}}, {100, 80, {MakeObject(box, 2)}}});
  const auto file = MakeProposalFile(dataset, Proposals{{wider}, {wider, wider}});
  const auto found =
      MeasureBoxTargets(dataset, *file, Head("targets { add_ground_truth: false }"), {}).value();
  EXPECT_TRUE(at::equal(found.mean, at::zeros({3, 4})));
  EXPECT_TRUE(at::equal(found.std, at::ones({3, 4})));
}

TEST(BoxStatisticsTest, NoObjectsOrProposalsMeanNoNormalisation) {
  const FakeDataset dataset(
      std::vector<FakeImage>{{100, 80, {}}, {100, 80, {MakeObject({1, 1, 9, 9}, 1)}}});
  const auto file = MakeProposalFile(dataset, Proposals{{{1, 1, 9, 9}}, {}});
  const auto found =
      MeasureBoxTargets(dataset, *file, Head("targets { add_ground_truth: false }"), {}).value();
  EXPECT_TRUE(at::equal(found.std, at::ones({3, 4})));
}

}  // namespace
}  // namespace rcnn::training
