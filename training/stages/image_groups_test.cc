#include "rcnn/training/stages/image_groups.h"

#include <ATen/ATen.h>

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/ops/preprocess.h"
#include "rcnn/ops/testing/queue_device.h"
#include "rcnn/training/trainer/batch_upload.h"

namespace rcnn::training {
namespace {

using ops::testing::QueueDevice;
using ops::testing::TakeWaits;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A batch of one image of this size, and nothing else.
data::Batch Blank(int64_t height, int64_t width) {
  data::Batch batch;
  batch.images = at::zeros({}).expand({1, 3, height, width});
  batch.entries.resize(1);
  return batch;
}

// As a loader leaves an image that becomes 20 x `width` pixels, padded to 24 x 40.
data::Batch Loaded(int64_t id, int64_t width, bool keep_bytes) {
  const at::Tensor bytes = at::randint(
      0, 256, {15, 19, 3}, at::detail::createCPUGenerator(static_cast<uint64_t>(id)), at::kByte);
  data::Batch batch = Blank(24, 40);
  data::BatchImage& entry = batch.entries.front();
  entry.info.id = id;
  entry.height = entry.preprocess.height = 20;
  entry.width = entry.preprocess.width = width;
  entry.own_padding_y = 4;
  entry.own_padding_x = 40 - width;
  entry.preprocess.mean = {120, 110, 100};
  entry.preprocess.std = {50, 60, 70};
  if (keep_bytes) {
    entry.bytes = bytes;
    return batch;
  }
  batch.images = at::empty({1, 3, 24, 40});
  ops::PreprocessInto(bytes, entry.preprocess, batch.images.select(0, 0));
  return batch;
}

std::vector<data::Batch> Window(bool keep_bytes) {
  return {Loaded(7, 40, keep_bytes), Loaded(8, 33, keep_bytes), Loaded(9, 36, keep_bytes)};
}

TEST(GroupImagesTest, ImagesOfOneSizeAreTogether) {
  const std::vector<data::Batch> window = {Blank(4, 5), Blank(5, 4), Blank(4, 5), Blank(4, 5),
                                           Blank(5, 4)};
  EXPECT_THAT(GroupImages(window, 2),
              ElementsAre(ElementsAre(0, 2), ElementsAre(1, 4), ElementsAre(3)));
  EXPECT_THAT(GroupImages(window, 9), ElementsAre(ElementsAre(0, 2, 3), ElementsAre(1, 4)));
  EXPECT_THAT(GroupImages(window, 1), ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2),
                                                  ElementsAre(3), ElementsAre(4)));
  EXPECT_THAT(GroupImages({}, 2), IsEmpty());
}

TEST(JoinImagesTest, HasTheImagesInTheOrderOfTheirPlaces) {
  const std::vector<data::Batch> window = Window(/*keep_bytes=*/false);
  const data::Batch joined = JoinImages(window, {0, 2});
  ASSERT_EQ(joined.entries.size(), 2u);
  EXPECT_EQ(joined.entries[0].info.id, 7);
  EXPECT_EQ(joined.entries[1].info.id, 9);
  ASSERT_EQ(joined.images.sizes(), at::IntArrayRef({2, 3, 24, 40}));
  EXPECT_TRUE(joined.images[0].equal(window[0].images[0]));
  EXPECT_TRUE(joined.images[1].equal(window[2].images[0]));
  EXPECT_TRUE(JoinImages(window, {1}).images.is_same(window[1].images));
}

TEST(MakeInputsTest, ADeviceMakesTheBitsOfTheCpuAndWaitsForNothing) {
  const data::Batch expected = JoinImages(Window(/*keep_bytes=*/false), {0, 1, 2});
  std::vector<data::Batch> window = Window(/*keep_bytes=*/true);
  TakeWaits();
  BatchUpload upload(QueueDevice());
  for (data::Batch& batch : window) batch = upload.Upload(batch);
  const detection::BatchMap images = MakeInputs(JoinImages(window, {0, 1, 2}), QueueDevice());
  EXPECT_THAT(TakeWaits(), IsEmpty());
  ASSERT_EQ(images.parts.size(), 1u);
  EXPECT_EQ(images.parts[0].device(), QueueDevice());
  EXPECT_TRUE(images.parts[0].cpu().equal(MakeInputs(expected, at::kCPU).parts[0]));
}

TEST(MirrorInputsTest, MirrorsEachImageWithoutItsPadding) {
  for (const bool keep_bytes : {false, true}) {
    SCOPED_TRACE(keep_bytes);
    const data::Batch plain = JoinImages(Window(/*keep_bytes=*/false), {0, 1, 2});
    data::Batch batch = JoinImages(Window(keep_bytes), {0, 1, 2});
    const c10::Device device = keep_bytes ? QueueDevice() : c10::Device(at::kCPU);
    const detection::BatchMap images = MakeInputs(batch, device);
    MirrorInputs(images, batch);
    const at::Tensor mirrored = images.parts[0].cpu();
    for (int64_t b = 0; b < 3; ++b) {
      const data::BatchImage& entry = batch.entries[static_cast<size_t>(b)];
      EXPECT_TRUE(entry.info.flipped);
      EXPECT_TRUE(mirrored[b]
                      .slice(2, 0, entry.width)
                      .equal(plain.images[b].slice(2, 0, entry.width).flip(2)));
      EXPECT_TRUE(mirrored[b].slice(2, entry.width).eq(0).all().item<bool>());
    }
  }
}

}  // namespace
}  // namespace rcnn::training
