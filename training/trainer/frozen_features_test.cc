#include "rcnn/training/trainer/frozen_features.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <string>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/random_stream.h"
#include "rcnn/configs/testing/parse_text.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/module_parts.h"
#include "rcnn/detection/weights/module_state.h"
#include "rcnn/ops/error_message.h"
#include "rcnn/ops/testing/queue_device.h"
#include "rcnn/training/trainer/batch_upload.h"

namespace rcnn::training {
namespace {

using detection::FasterRcnn;
using ops::testing::QueueDevice;
using ops::testing::TakeWaits;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kTiny[] = "backbone { tiny { channels: 8 } } rpn {}";
constexpr char kPyramid[] =
    "backbone { resnet { depth: RESNET_18 norm { batch_norm {} } } } fpn { channels: 8 } rpn {}";

std::shared_ptr<FasterRcnn> Model(const std::string& text = kTiny) {
  const auto config = configs::ParseTextOrDie<configs::ModelConfig>(text);
  auto model = FasterRcnn::Create(config, 2).value();
  detection::ResetParameters(*model, MakeGenerator({7, "frozen_features_test", 0, "weights"}));
  for (const char* part : {"backbone", "fpn"}) {
    if (auto* module = detection::FindPart(*model, part)) detection::Freeze(*module);
  }
  model->train();
  return model;
}

// Image `index` of the given size; a batch pads it with zeros.
at::Tensor Image(int64_t index, int64_t height, int64_t width) {
  return at::randn({3, height, width}, MakeGenerator({7, "frozen_features_test", index, "pixels"}));
}

struct Entry {
  int64_t index = 0, height = 0, width = 0;
  bool flipped = false, flipped_vertically = false;
};

data::Batch MakeBatch(const std::vector<Entry>& entries, int64_t height, int64_t width) {
  data::Batch batch;
  batch.images = at::zeros({static_cast<int64_t>(entries.size()), 3, height, width});
  for (size_t b = 0; b < entries.size(); ++b) {
    const Entry& entry = entries[b];
    at::Tensor pixels = Image(entry.index, entry.height, entry.width);
    if (entry.flipped) pixels = pixels.flip(2);
    if (entry.flipped_vertically) pixels = pixels.flip(1);
    batch.images[static_cast<int64_t>(b)]
        .narrow(1, 0, entry.height)
        .narrow(2, 0, entry.width)
        .copy_(pixels);
    data::BatchImage image;
    image.index = entry.index;
    image.info.id = entry.index + 1;
    image.info.flipped = entry.flipped;
    image.info.flipped_vertically = entry.flipped_vertically;
    image.height = entry.height;
    image.width = entry.width;
    batch.entries.push_back(image);
  }
  return batch;
}

// The part of a batch that one of several processes takes.
data::Batch Part(const data::Batch& batch, int64_t begin, int64_t end) {
  data::Batch part = batch;
  part.images = batch.images.slice(0, begin, end);
  part.own_begin = begin;
  return part;
}

constexpr int64_t kPlenty = int64_t{1} << 30;

TEST(FrozenFeaturesTest, KnowsWhatIsFrozen) {
  const auto model = Model();
  EXPECT_TRUE(HasFrozenFeatures(*model));
  detection::Unfreeze(*detection::FindPart(*model, "backbone.conv8"));
  EXPECT_FALSE(HasFrozenFeatures(*model));
  const auto pyramid = Model(kPyramid);
  EXPECT_TRUE(HasFrozenFeatures(*pyramid));
  detection::Unfreeze(*pyramid->fpn());
  EXPECT_FALSE(HasFrozenFeatures(*pyramid));
}

TEST(FrozenFeaturesTest, AreTheMapsOfTheImageAlone) {
  for (const char* config : {kTiny, kPyramid}) {
    SCOPED_TRACE(config);
    const auto model = Model(config);
    FrozenFeatures features(model, {.max_bytes = kPlenty});
    const auto maps = features.Maps(MakeBatch({{3, 64, 96}}, 64, 96)).parts.front().levels;
    const auto expected = model->Features(Image(3, 64, 96).unsqueeze(0)).levels;
    ASSERT_EQ(maps.size(), expected.size());
    for (size_t level = 0; level < maps.size(); ++level) {
      EXPECT_TRUE(at::equal(maps[level], expected[level])) << level;
    }
  }
}

// Also where some of the images are another process's.
TEST(FrozenFeaturesTest, EachImageOfABatchHasTheMapsThatItHasAlone) {
  const std::vector<Entry> entries = {{0, 64, 96}, {1, 80, 48}, {2, 48, 112, true}};
  for (const char* config : {kTiny, kPyramid}) {
    SCOPED_TRACE(config);
    const auto model = Model(config);
    const data::Batch batch = MakeBatch(entries, 80, 112);
    FrozenFeatures kept(model, {.max_bytes = kPlenty}), none(model, {.max_bytes = 0});
    for (const auto& [begin, end] : {std::pair(0, 3), std::pair(0, 1), std::pair(1, 3)}) {
      for (FrozenFeatures* features : {&kept, &none}) {
        const detection::BatchFeatures maps = features->Maps(Part(batch, begin, end));
        ASSERT_EQ(maps.parts.size(), static_cast<size_t>(end - begin));
        for (int b = begin; b < end; ++b) {
          const Entry& entry = entries[static_cast<size_t>(b)];
          const detection::FeatureMaps& found = maps.parts[static_cast<size_t>(b - begin)];
          const detection::FeatureMaps alone =
              none.Maps(MakeBatch({entry}, entry.height, entry.width)).parts.front();
          EXPECT_EQ(found.height, entry.height);
          EXPECT_EQ(found.width, entry.width);
          ASSERT_EQ(found.levels.size(), alone.levels.size());
          for (size_t level = 0; level < alone.levels.size(); ++level) {
            EXPECT_TRUE(at::equal(found.levels[level], alone.levels[level])) << b << " " << level;
          }
        }
      }
    }
    EXPECT_EQ(kept.hits(), 3);
    EXPECT_EQ(none.hits(), 0);
    EXPECT_EQ(none.cached_bytes(), 0);
  }
}

TEST(FrozenFeaturesTest, DistinguishMirrorImagesAndSizes) {
  const auto model = Model();
  FrozenFeatures features(model, {.max_bytes = kPlenty});
  const at::Tensor plain = features.Maps(MakeBatch({{5, 64, 64}}, 64, 64)).parts.front().levels[0];
  const at::Tensor mirrored =
      features.Maps(MakeBatch({{5, 64, 64, true}}, 64, 64)).parts.front().levels[0];
  const at::Tensor upside_down =
      features.Maps(MakeBatch({{5, 64, 64, false, true}}, 64, 64)).parts.front().levels[0];
  const at::Tensor larger = features.Maps(MakeBatch({{5, 80, 64}}, 80, 64)).parts.front().levels[0];
  EXPECT_EQ(features.hits(), 0);
  EXPECT_FALSE(at::equal(plain, mirrored));
  EXPECT_FALSE(at::equal(plain, upside_down));
  EXPECT_NE(plain.sizes(), larger.sizes());
  EXPECT_TRUE(
      at::equal(features.Maps(MakeBatch({{5, 64, 64}}, 64, 64)).parts.front().levels[0], plain));
  EXPECT_TRUE(at::equal(
      features.Maps(MakeBatch({{5, 64, 64, true}}, 64, 64)).parts.front().levels[0], mirrored));
  EXPECT_EQ(features.hits(), 2);
}

// Alone an image has all threads; two small ones have one each.
TEST(FrozenFeaturesTest, DoNotDependOnHowManyAreComputedAtOnce) {
  const int threads = at::get_num_threads();
  at::set_num_threads(2);
  for (const char* config : {kTiny, kPyramid, "backbone { vgg16 {} } rpn {}",
                             "backbone { resnet { depth: RESNET_18 layer3_stride: 1 norm { "
                             "batch_norm {} } } } rpn {}"}) {
    SCOPED_TRACE(config);
    FrozenFeatures features(Model(config), {.max_bytes = 0});
    const auto together =
        features.Maps(MakeBatch({{0, 480, 512}, {1, 480, 512}}, 480, 512)).parts.front().levels;
    const auto first = features.Maps(MakeBatch({{0, 480, 512}}, 480, 512)).parts.front().levels;
    const auto second = features.Maps(MakeBatch({{1, 480, 512}}, 480, 512)).parts.front().levels;
    for (size_t level = 0; level < first.size(); ++level) {
      EXPECT_TRUE(at::equal(together[level].slice(0, 0, 1), first[level])) << level;
      EXPECT_TRUE(at::equal(together[level].slice(0, 1, 2), second[level])) << level;
    }
  }
  at::set_num_threads(threads);
}

// The maps of each image, level by level.
std::vector<at::Tensor> MapsOfAll(const detection::BatchFeatures& maps) {
  std::vector<at::Tensor> all;
  for (const detection::FeatureMaps& part : maps.parts) {
    all.insert(all.end(), part.levels.begin(), part.levels.end());
  }
  return all;
}

// Images as a loader leaves them for a GPU: bytes, which become the input there.
data::Batch MakeBytes(const std::vector<Entry>& entries, int64_t height, int64_t width) {
  data::Batch batch = MakeBatch(entries, height, width);
  batch.images = at::zeros({}).expand(batch.images.sizes());
  for (data::BatchImage& image : batch.entries) {
    image.bytes =
        at::randint(0, 256, {image.height / 2, image.width / 2, 3},
                    MakeGenerator({7, "frozen_features_test", image.index, "bytes"}), at::kByte);
    image.preprocess.height = image.height;
    image.preprocess.width = image.width;
    image.preprocess.mean = {100, 110, 120};
    image.preprocess.std = {60, 60, 60};
  }
  return batch;
}

// The second time they are found, and the images need not even be copied to the device.
TEST(FrozenFeaturesTest, OnAnotherDeviceMapsAreComputedAndKeptThere) {
  const std::vector<Entry> mixed = {{0, 64, 96}, {1, 80, 48}, {2, 48, 80, true}};
  const std::vector<Entry> equal = {{3, 64, 64}, {4, 64, 64}};
  for (const char* config : {kTiny, kPyramid}) {
    const auto near = Model(config), far = Model(config);
    far->to(QueueDevice());
    for (const data::Batch& batch :
         {MakeBatch(mixed, 80, 96), MakeBatch(equal, 64, 64), MakeBytes(mixed, 80, 96)}) {
      SCOPED_TRACE(std::string(config) + (batch.entries[0].bytes.defined() ? " bytes" : ""));
      FrozenFeatures features(far, {.max_bytes = kPlenty}), on_cpu(near, {.max_bytes = 0});
      const std::vector<at::Tensor> expected = MapsOfAll(on_cpu.Maps(batch));
      BatchUpload upload(QueueDevice());
      data::Batch next = batch;
      for (const bool is_cached : {false, true}) {
        TakeWaits();
        const std::vector<at::Tensor> maps = MapsOfAll(features.Maps(upload.Upload(next)));
        EXPECT_THAT(TakeWaits(), IsEmpty());
        ASSERT_EQ(maps.size(), expected.size());
        for (size_t i = 0; i < maps.size(); ++i) {
          EXPECT_EQ(maps[i].device(), QueueDevice());
          // Layers of the CPU round differently.
          const double largest = expected[i].abs().max().item<double>();
          EXPECT_LT((maps[i].cpu() - expected[i]).abs().max().item<double>(), 1e-4 * largest) << i;
        }
        EXPECT_EQ(features.hits(), is_cached ? static_cast<int64_t>(batch.entries.size()) : 0);
        next.images = at::full({}, NAN).expand(batch.images.sizes());
        for (data::BatchImage& image : next.entries) {
          EXPECT_TRUE(features.IsCached(image));
          image.has_pixels = false;
          image.bytes = at::Tensor();
        }
      }
    }
  }
}

// Step 4, and the proposals before it.
TEST(FrozenFeaturesTest, MapsOfADeviceAreSharedThere) {
  const auto cache = std::make_shared<FeatureCache>();
  const FrozenFeaturesOptions options = {.max_bytes = kPlenty, .transform = "", .cache = cache};
  const auto step3 = Model(), step4 = Model(), near = Model();
  step3->to(QueueDevice());
  step4->to(QueueDevice());
  const data::Batch batch = MakeBatch({{5, 64, 64}}, 64, 64);
  const at::Tensor maps = MapsOfAll(FrozenFeatures(step3, options).Maps(batch))[0];
  EXPECT_TRUE(FrozenFeatures::HasCachedMaps(*step4, options));
  EXPECT_FALSE(FrozenFeatures::HasCachedMaps(*near, options));
  FrozenFeatures again(step4, options);
  EXPECT_TRUE(MapsOfAll(again.Maps(batch))[0].is_same(maps));
  EXPECT_EQ(again.hits(), 1);
  // As if the stage had been resumed on the CPU.
  FrozenFeatures on_cpu(near, options);
  EXPECT_TRUE(MapsOfAll(on_cpu.Maps(batch))[0].is_cpu());
  EXPECT_EQ(on_cpu.hits(), 0);
}

// What a loader does for them.
TEST(FrozenFeaturesTest, CachedImagesNeedNoPixels) {
  const auto features =
      std::make_shared<FrozenFeatures>(Model(), FrozenFeaturesOptions{.max_bytes = kPlenty});
  const auto needs_pixels = PixelsNeeded(features);
  data::Batch batch = MakeBatch({{0, 64, 96}, {1, 64, 96}}, 64, 96);
  EXPECT_TRUE(needs_pixels(batch.entries[0]));
  const at::Tensor maps = features->Maps(batch).parts.front().levels[0];
  for (data::BatchImage& entry : batch.entries) entry.has_pixels = needs_pixels(entry);
  EXPECT_FALSE(batch.entries[0].has_pixels);
  EXPECT_FALSE(batch.entries[1].has_pixels);
  batch.images.fill_(NAN);
  EXPECT_TRUE(at::equal(features->Maps(batch).parts.front().levels[0], maps));
  EXPECT_EQ(features->hits(), 2);
  batch.entries[0].info.flipped = true;
  EXPECT_TRUE(needs_pixels(batch.entries[0]));
}

TEST(FrozenFeaturesTest, NeitherMapsNorPixelsIsAnError) {
  FrozenFeatures features(Model(), {.max_bytes = 0});
  data::Batch batch = MakeBatch({{0, 64, 96}}, 64, 96);
  batch.entries[0].info.name = "cell-7";
  batch.entries[0].has_pixels = false;
  EXPECT_THAT(ops::ErrorMessage([&] { features.Maps(batch); }),
              HasSubstr("cell-7 has neither maps nor pixels"));
}

TEST(FrozenFeaturesTest, WithoutThemAllPixelsAreNeeded) {
  EXPECT_EQ(PixelsNeeded(nullptr), nullptr);
}

// As a resumed stage does: the network is made, the weights of the checkpoint come later.
TEST(FrozenFeaturesTest, WeightsMayBeWrittenBeforeTheFirstMaps) {
  const auto model = Model(kPyramid);
  FrozenFeatures features(model, {.max_bytes = 0});
  {
    at::NoGradGuard no_grad;
    for (const auto& entry : detection::weights::ModuleState(*model)) {
      entry.tensor.copy_(entry.tensor.clone());
    }
  }
  EXPECT_EQ(features.Maps(MakeBatch({{0, 64, 64}}, 64, 64)).parts.front().levels.size(), 5u);
}

// Step 4 reuses the maps of step 3, and none of another network.
TEST(FrozenFeaturesTest, AreSharedByNetworksWithTheSameConvolutions) {
  const auto cache = std::make_shared<FeatureCache>();
  const FrozenFeaturesOptions options = {.max_bytes = kPlenty, .transform = "", .cache = cache};
  const auto model = Model();
  const at::Tensor maps =
      FrozenFeatures(model, options).Maps(MakeBatch({{5, 64, 64}}, 64, 64)).parts.front().levels[0];
  FrozenFeatures again(model, options);
  EXPECT_TRUE(
      at::equal(again.Maps(MakeBatch({{5, 64, 64}}, 64, 64)).parts.front().levels[0], maps));
  EXPECT_EQ(again.hits(), 1);
  // If nothing may be cached, as with random colours, no cached map is used.
  FrozenFeatures none(model, {.max_bytes = 0, .transform = "", .cache = cache});
  none.Maps(MakeBatch({{5, 64, 64}}, 64, 64));
  EXPECT_EQ(none.hits(), 0);
  const auto other = Model();
  {
    at::NoGradGuard no_grad;
    other->backbone()->parameters()[0].add_(1);
  }
  FrozenFeatures others(other, options);
  EXPECT_FALSE(
      at::equal(others.Maps(MakeBatch({{5, 64, 64}}, 64, 64)).parts.front().levels[0], maps));
  EXPECT_EQ(others.hits(), 0);
}

// Sides are rounded up to 32, whatever the batch.
TEST(FrozenFeaturesTest, AnImageKeepsItsOwnPadding) {
  const auto model = Model(kPyramid);
  FrozenFeatures features(model, {.max_bytes = 0});
  data::Batch batch = MakeBatch({{1, 50, 70}}, 64, 96);
  batch.entries[0].own_padding_y = 14;
  batch.entries[0].own_padding_x = 26;
  const auto maps = features.Maps(batch).parts.front().levels;
  const auto expected = model->Features(batch.images).levels;
  for (size_t level = 0; level < maps.size(); ++level) {
    EXPECT_TRUE(at::equal(maps[level], expected[level])) << level;
  }
}

// A map is 48 channels x 4 x 4 cells x 4 bytes = 3072 bytes.
TEST(FrozenFeaturesTest, StayWithinTheLimit) {
  FrozenFeatures features(Model(), {.max_bytes = 2 * 3072 + 1});
  for (int64_t round = 0; round < 2; ++round) {
    for (int64_t i = 0; i < 4; ++i) features.Maps(MakeBatch({{i, 64, 64}}, 64, 64));
    EXPECT_EQ(features.cached_bytes(), 2 * 3072);
    EXPECT_EQ(features.hits(), 2 * round);
  }
}

TEST(FrozenFeaturesTest, KeepNoGraph) {
  FrozenFeatures features(Model(kPyramid), {.max_bytes = kPlenty});
  for (int round = 0; round < 2; ++round) {
    const detection::BatchFeatures maps =
        features.Maps(MakeBatch({{0, 64, 64}, {1, 64, 64}}, 64, 64));
    for (const at::Tensor& map : maps.parts.front().levels) {
      EXPECT_FALSE(map.requires_grad());
      EXPECT_EQ(map.grad_fn(), nullptr);
    }
  }
}

}  // namespace
}  // namespace rcnn::training
