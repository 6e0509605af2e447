#include "rcnn/data/loader/batch_builder.h"

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/cached_dataset.h"
#include "rcnn/data/loader/batch_planner.h"
#include "rcnn/data/proposals/proposal_writer.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

using configs::NormalizationConfig;
using configs::TransformConfig;
using ::testing::ElementsAre;
using testing::FakeDataset;
using testing::FakeImage;
using ::testing::HasSubstr;
using testing::MakeObject;
using ::testing::Not;
using ::testing::StartsWith;

// Two images: 8 x 6 with two objects, 5 x 9 with none.
std::shared_ptr<FakeDataset> Two(bool inclusive = false) {
  Object crowd = MakeObject({1, 2, 4, 5}, 2);
  crowd.crowd = true;
  Object difficult = MakeObject({0, 0, 8, 6}, 1);
  difficult.difficult = true;
  return std::make_shared<FakeDataset>(
      std::vector<FakeImage>{{8, 6, {crowd, difficult}}, {5, 9, {}}}, inclusive);
}

// The first batch of all images, in order.
absl::StatusOr<Batch> Build(std::shared_ptr<const Dataset> dataset,
                            const TransformConfig& transform,
                            const BatchBuilderOptions& contents = {}) {
  BatchOptions options;
  options.mode = LoaderMode::kEvaluation;
  options.transform = transform;
  options.batching.set_images_per_batch(static_cast<int32_t>(dataset->size()));
  RCNN_ASSIGN_OR_RETURN(BatchPlanner planner, BatchPlanner::Create(dataset, options));
  RCNN_ASSIGN_OR_RETURN(const BatchPlan plan, planner.Plan(0));
  RCNN_ASSIGN_OR_RETURN(auto builder, BatchBuilder::Create(dataset, contents));
  RCNN_ASSIGN_OR_RETURN(Batch batch, builder->Allocate(plan));
  for (size_t i = 0; i < plan.images.size(); ++i) {
    RCNN_RETURN_IF_ERROR(builder->Fill(plan, i, batch));
  }
  return batch;
}

// The only image of a dataset, with the test's own transform.
absl::StatusOr<Batch> BuildOne(std::shared_ptr<const Dataset> dataset,
                               const SampleTransform& transform,
                               const BatchBuilderOptions& contents = {}) {
  BatchPlan plan;
  plan.height = transform.height;
  plan.width = transform.width;
  plan.images = {{0, dataset->image(0), transform}};
  RCNN_ASSIGN_OR_RETURN(auto builder, BatchBuilder::Create(dataset, contents));
  RCNN_ASSIGN_OR_RETURN(Batch batch, builder->Allocate(plan));
  RCNN_RETURN_IF_ERROR(builder->Fill(plan, 0, batch));
  return batch;
}

// The pixels as stored, [3, H, W] float, RGB.
at::Tensor Pixels(const Dataset& dataset, int64_t index) {
  const std::shared_ptr<const Image> image = *dataset.LoadImage(index);
  return at::from_blob(const_cast<uint8_t*>(image->data()), {image->height(), image->width(), 3},
                       at::kByte)
      .permute({2, 0, 1})
      .to(at::kFloat)
      .contiguous();
}

at::Tensor Boxes(std::vector<float> values) { return at::tensor(values).view({-1, 4}); }

TEST(BatchBuilderTest, ImagesAreCopiedAndPaddedWithZeros) {
  const auto dataset = Two();
  const absl::StatusOr<Batch> batch = Build(dataset, {});
  ASSERT_THAT(batch, IsOk());
  ASSERT_EQ(batch->images.sizes(), (at::IntArrayRef{2, 3, 9, 8}));
  EXPECT_TRUE(batch->images.is_contiguous());
  at::Tensor expected = at::zeros({2, 3, 9, 8});
  expected[0].slice(1, 0, 6).copy_(Pixels(*dataset, 0));
  expected[1].slice(2, 0, 5).copy_(Pixels(*dataset, 1));
  EXPECT_TRUE(at::equal(batch->images, expected));
  EXPECT_EQ(batch->entries[1].height, 9);
  EXPECT_EQ(batch->entries[1].width, 5);
  EXPECT_EQ(batch->entries[1].info.id, 101);
  EXPECT_EQ(batch->entries[1].index, 1);
}

TEST(BatchBuilderTest, ObjectsBecomeTensors) {
  const absl::StatusOr<Batch> batch = Build(Two(), {});
  ASSERT_THAT(batch, IsOk());
  const BatchImage& first = batch->entries[0];
  EXPECT_TRUE(at::equal(first.boxes, Boxes({1, 2, 4, 5, 0, 0, 8, 6})));
  EXPECT_TRUE(at::equal(first.labels, at::tensor({2, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(first.crowd, at::tensor({1, 0}).to(at::kBool)));
  EXPECT_TRUE(at::equal(first.difficult, at::tensor({0, 1}).to(at::kBool)));
  EXPECT_FALSE(first.proposals.defined());
  const BatchImage& empty = batch->entries[1];
  EXPECT_EQ(empty.boxes.sizes(), (at::IntArrayRef{0, 4}));
  EXPECT_EQ(empty.labels.sizes(), (at::IntArrayRef{0}));
  EXPECT_EQ(empty.labels.scalar_type(), at::kLong);
  EXPECT_EQ(empty.crowd.scalar_type(), at::kBool);
}

TEST(BatchBuilderTest, CachedObjectsAreNotRequestedAgain) {
  const std::shared_ptr<FakeDataset> dataset = Two();
  const auto cached = std::make_shared<CachedDataset>(dataset, 1 << 20);
  for (int i = 0; i < 3; ++i) {
    const absl::StatusOr<Batch> batch = Build(cached, TransformConfig());
    ASSERT_THAT(batch, IsOk());
    EXPECT_EQ(batch->entries[0].labels.size(0), 2);
  }
  EXPECT_THAT(dataset->object_reads(), ElementsAre(1, 1));
}

TEST(BatchBuilderTest, ImagesWithoutNeededPixelsAreNotLoaded) {
  const std::shared_ptr<FakeDataset> dataset = Two();
  BatchBuilderOptions contents;
  std::vector<int64_t> asked;
  contents.needs_pixels = [&](const BatchImage& entry) {
    asked.push_back(entry.info.id);
    EXPECT_GT(entry.height, 0);
    EXPECT_GT(entry.width, 0);
    return entry.index == 1;
  };
  const absl::StatusOr<Batch> batch = Build(dataset, TransformConfig(), contents);
  ASSERT_THAT(batch, IsOk());
  EXPECT_THAT(asked, ElementsAre(100, 101));
  EXPECT_THAT(dataset->loads(), ElementsAre(0, 1));
  EXPECT_FALSE(batch->entries[0].has_pixels);
  EXPECT_TRUE(batch->entries[1].has_pixels);
  EXPECT_TRUE(at::equal(batch->entries[0].boxes, Boxes({1, 2, 4, 5, 0, 0, 8, 6})));
  EXPECT_TRUE(at::equal(batch->images[1].slice(2, 0, 5), Pixels(*dataset, 1)));
  EXPECT_EQ(batch->images.sizes(), (at::IntArrayRef{2, 3, 9, 8}));
}

// Their pixels side by side are those of the whole batch, and each knows all objects.
TEST(BatchBuilderTest, PartsTogetherHoldEveryImageOnce) {
  const auto dataset = std::make_shared<FakeDataset>(std::vector<FakeImage>{
      {8, 6, {MakeObject({1, 2, 4, 5}, 2)}}, {5, 9, {}}, {7, 7, {MakeObject({0, 0, 3, 3}, 1)}}});
  const Batch whole = *Build(dataset, TransformConfig());
  for (const int64_t parts : {1, 2, 3, 4}) {
    SCOPED_TRACE(parts);
    std::vector<at::Tensor> images;
    int64_t next = 0;
    for (int64_t index = 0; index < parts; ++index) {
      BatchBuilderOptions contents;
      contents.part = {index, parts};
      const absl::StatusOr<Batch> batch = Build(dataset, TransformConfig(), contents);
      ASSERT_THAT(batch, IsOk());
      EXPECT_EQ(batch->own_begin, next);
      next = batch->own_end();
      ASSERT_EQ(batch->entries.size(), 3u);
      for (int64_t i = 0; i < 3; ++i) {
        const BatchImage& entry = batch->entries[static_cast<size_t>(i)];
        EXPECT_EQ(entry.has_pixels, batch->own_begin <= i && i < batch->own_end());
        EXPECT_TRUE(at::equal(entry.boxes, whole.entries[static_cast<size_t>(i)].boxes));
        EXPECT_EQ(entry.height, whole.entries[static_cast<size_t>(i)].height);
      }
      images.push_back(batch->images);
    }
    EXPECT_EQ(next, 3);
    EXPECT_TRUE(at::equal(at::cat(images), whole.images));
  }
}

TEST(BatchBuilderTest, ImagesOfOtherProcessesAreNotRead) {
  const auto dataset =
      std::make_shared<FakeDataset>(std::vector<FakeImage>{{8, 6, {}}, {5, 9, {}, true}});
  BatchBuilderOptions contents;
  contents.part = {0, 2};
  EXPECT_THAT(Build(dataset, TransformConfig(), contents), IsOk());
  contents.part = {1, 2};
  EXPECT_THAT(Build(dataset, TransformConfig(), contents), Not(IsOk()));
}

TEST(BatchBuilderTest, APartThatDoesNotExistIsAnError) {
  for (const BatchPart& part : {BatchPart{-1, 2}, BatchPart{2, 2}, BatchPart{0, 0}}) {
    BatchBuilderOptions contents;
    contents.part = part;
    EXPECT_THAT(BatchBuilder::Create(Two(), contents).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("part is ")));
  }
}

TEST(BatchBuilderTest, NormalisationFollowsTheModelsOrderAndUnit) {
  const auto dataset = std::make_shared<FakeDataset>(std::vector<FakeImage>{{7, 5}});
  BatchBuilderOptions contents;
  NormalizationConfig& config = contents.normalization;
  config.set_channel_order(NormalizationConfig::BGR);
  config.set_scale(1.0 / 255);
  for (const double mean : {0.4, 0.5, 0.6}) config.add_mean(mean);
  for (const double std : {0.1, 0.2, 0.3}) config.add_std(std);
  const absl::StatusOr<Batch> batch = Build(dataset, {}, contents);
  ASSERT_THAT(batch, IsOk());
  const at::Tensor bgr = Pixels(*dataset, 0).flip({0}).to(at::kDouble) / 255;
  const at::Tensor mean = at::tensor({0.4, 0.5, 0.6}, at::kDouble).view({3, 1, 1});
  const at::Tensor std = at::tensor({0.1, 0.2, 0.3}, at::kDouble).view({3, 1, 1});
  EXPECT_TRUE(at::allclose(batch->images[0].to(at::kDouble), (bgr - mean) / std, 1e-5, 1e-5));
}

TEST(BatchBuilderTest, MirroringIsExactAndMovesBoxes) {
  const auto dataset =
      std::make_shared<FakeDataset>(std::vector<FakeImage>{{8, 6, {MakeObject({1, 2, 4, 5}, 1)}}});
  SampleTransform transform;
  transform.height = 6;
  transform.width = 8;
  transform.flipped = true;
  const absl::StatusOr<Batch> batch = BuildOne(dataset, transform);
  ASSERT_THAT(batch, IsOk());
  EXPECT_TRUE(at::equal(batch->images[0], Pixels(*dataset, 0).flip({2})));
  EXPECT_TRUE(at::equal(batch->entries[0].boxes, Boxes({4, 2, 7, 5})));
}

TEST(BatchBuilderTest, VerticalFlipIsExactAndMovesBoxes) {
  const auto dataset =
      std::make_shared<FakeDataset>(std::vector<FakeImage>{{8, 6, {MakeObject({1, 2, 4, 5}, 1)}}});
  SampleTransform transform;
  transform.height = 6;
  transform.width = 8;
  transform.flipped_vertically = true;
  for (const bool flipped : {false, true}) {
    transform.flipped = flipped;
    const absl::StatusOr<Batch> batch = BuildOne(dataset, transform);
    ASSERT_THAT(batch, IsOk());
    const at::Tensor upside_down = Pixels(*dataset, 0).flip({1});
    EXPECT_TRUE(at::equal(batch->images[0], flipped ? upside_down.flip({2}) : upside_down));
    EXPECT_TRUE(
        at::equal(batch->entries[0].boxes, flipped ? Boxes({4, 1, 7, 4}) : Boxes({1, 1, 4, 4})));
  }
}

TEST(BatchBuilderTest, InclusiveBoxesAreMirroredAsIn2015) {
  const auto dataset = Two(/*inclusive=*/true);
  SampleTransform transform;
  transform.height = 6;
  transform.width = 8;
  transform.flipped = true;
  const absl::StatusOr<Batch> batch = BuildOne(dataset, transform);
  ASSERT_THAT(batch, IsOk());
  EXPECT_TRUE(at::equal(batch->entries[0].boxes.slice(0, 0, 1), Boxes({3, 2, 6, 5})));
}

TEST(BatchBuilderTest, ResizingScalesPixelsAndBoxes) {
  const auto dataset = Two();
  TransformConfig transform;
  transform.mutable_resize()->add_shortest_side_px(12);
  const absl::StatusOr<Batch> batch = Build(dataset, transform);
  ASSERT_THAT(batch, IsOk());
  const BatchImage& first = batch->entries[0];
  EXPECT_EQ(first.height, 12);
  EXPECT_EQ(first.width, 16);
  EXPECT_EQ(first.scale_x, 2);
  EXPECT_TRUE(at::equal(first.boxes, Boxes({2, 4, 8, 10, 0, 0, 16, 12})));
  const at::Tensor expected =
      at::upsample_bilinear2d(Pixels(*dataset, 0).unsqueeze(0), {12, 16}, false)[0];
  const at::Tensor actual = batch->images[0].slice(1, 0, 12).slice(2, 0, 16);
  EXPECT_LT((actual - expected).abs().max().item<float>(), 1e-3);
}

// Resized by about 2 with a scale that differs from the ratio of the rounded sides:
// each rule places pixels by its own step.
TEST(BatchBuilderTest, RoundingRuleDeterminesPixelPositions) {
  const auto dataset = std::make_shared<FakeDataset>(std::vector<FakeImage>{{33, 50}});
  for (const bool down : {false, true}) {
    TransformConfig transform;
    transform.mutable_resize()->add_shortest_side_px(60);
    transform.mutable_resize()->set_rounding(down ? configs::ResizeConfig::DOWN
                                                  : configs::ResizeConfig::HALF_TO_EVEN);
    const absl::StatusOr<Batch> batch = Build(dataset, transform);
    ASSERT_THAT(batch, IsOk());
    const int64_t height = down ? 90 : 91;  // 50 * 60 / 33 = 90.9
    ASSERT_EQ(batch->images.size(2), height);
    const double scale = 60.0 / 33;
    const at::Tensor source = Pixels(*dataset, 0).unsqueeze(0);
    const at::Tensor expected =
        down ? at::upsample_bilinear2d(source, {height, 60}, false)
             : at::upsample_bilinear2d(source, {height, 60}, false, scale, scale);
    EXPECT_LT((batch->images - expected).abs().max().item<float>(), 1e-2) << down;
  }
}

TEST(BatchBuilderTest, ColourIsChangedBeforeTheRest) {
  const auto dataset = std::make_shared<FakeDataset>(std::vector<FakeImage>{{8, 6}});
  SampleTransform transform;
  transform.height = 6;
  transform.width = 8;
  transform.color = Brightness(0);
  EXPECT_EQ(BuildOne(dataset, transform)->images.abs().max().item<float>(), 0);
}

TEST(BatchBuilderTest, ProposalsFollowTheImage) {
  const auto dataset = std::make_shared<FakeDataset>(std::vector<FakeImage>{{8, 6}});
  const std::string path = absl::StrCat(::testing::TempDir(), "/builder.safetensors");
  auto writer = ProposalWriter::Create(path, *dataset, "");
  ASSERT_THAT(writer, IsOk());
  ASSERT_THAT(writer->Append({{1, 2, 4, 5}, {0, 0, 8, 6}, {0, 0, 1, 1}}, {0.75f, 0.5f, 0.25f}),
              IsOk());
  ASSERT_THAT(writer->Commit(), IsOk());
  BatchBuilderOptions contents;
  contents.proposals = *ProposalFile::Open(path, *dataset);
  contents.max_proposals = 2;
  SampleTransform transform;
  transform.height = 12;
  transform.width = 16;
  transform.scale_x = transform.scale_y = 2;
  transform.flipped = true;
  const absl::StatusOr<Batch> batch = BuildOne(dataset, transform, contents);
  ASSERT_THAT(batch, IsOk());
  EXPECT_TRUE(at::equal(batch->entries[0].proposals, Boxes({8, 4, 14, 10, 0, 0, 16, 12})));
  EXPECT_TRUE(at::equal(batch->entries[0].proposal_scores, at::tensor({0.75f, 0.5f})));
}

TEST(BatchBuilderTest, ExhaustedMemoryIsAnError) {
  BatchPlan plan;
  plan.iteration = 7;
  plan.height = plan.width = int64_t{1} << 26;
  plan.images.resize(1);
  const auto builder = BatchBuilder::Create(Two(), {});
  ASSERT_THAT(builder, IsOk());
  EXPECT_THAT((*builder)->Allocate(plan),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       StartsWith("no memory for batch 7 of 1 image, 67108864 x 67108864: ")));
}

TEST(BatchBuilderTest, ErrorsNameTheImage) {
  const auto broken =
      std::make_shared<FakeDataset>(std::vector<FakeImage>{{8, 6, {}, /*broken=*/true}});
  EXPECT_EQ(Build(broken, {}).status(), absl::InvalidArgumentError("image-0.jpg: damaged"));
}

TEST(BatchBuilderTest, BadNormalisationIsAnErrorThatNamesTheField) {
  const auto error = [](const NormalizationConfig& config) {
    BatchBuilderOptions options;
    options.normalization = config;
    return BatchBuilder::Create(Two(), options).status();
  };
  NormalizationConfig config;
  config.add_mean(1);
  EXPECT_THAT(error(config), StatusIs(absl::StatusCode::kInvalidArgument,
                                      HasSubstr("normalization.mean has 1 number, not 3")));
  config.Clear();
  config.set_scale(0);
  EXPECT_THAT(error(config),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("normalization.scale is 0")));
  config.Clear();
  for (const double std : {1.0, 0.0, 1.0}) config.add_std(std);
  EXPECT_THAT(error(config),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("normalization.std is 0")));
}

// What is kept makes the same input, to the last bit, and the batch holds no floats.
TEST(BatchBuilderTest, KeepsBytesForAnotherDevice) {
  SampleTransform transform;
  transform.height = 9;
  transform.width = 12;
  transform.flipped = true;
  for (const bool upside_down : {false, true}) {
    transform.flipped_vertically = upside_down;
    BatchBuilderOptions contents;
    for (const double mean : {100, 110, 120}) contents.normalization.add_mean(mean);
    const absl::StatusOr<Batch> expected = BuildOne(Two(), transform, contents);
    ASSERT_THAT(expected, IsOk());
    EXPECT_FALSE(expected->entries[0].bytes.defined());
    contents.keep_bytes = true;
    const absl::StatusOr<Batch> batch = BuildOne(Two(), transform, contents);
    ASSERT_THAT(batch, IsOk());
    const BatchImage& entry = batch->entries[0];
    EXPECT_TRUE(ops::Preprocess(entry.bytes, entry.preprocess).equal(expected->images[0]));
    EXPECT_TRUE(entry.boxes.equal(expected->entries[0].boxes));
    ASSERT_EQ(batch->images.sizes(), expected->images.sizes());
    EXPECT_EQ(batch->images.strides(), at::IntArrayRef({0, 0, 0, 0}));
  }
}

}  // namespace
}  // namespace rcnn::data
