#include "rcnn/data/loader/loader.h"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/monotonic_time.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/cached_dataset.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

using configs::TransformConfig;
using testing::FakeDataset;
using testing::FakeImage;
using ::testing::HasSubstr;

// Enables everything random.
LoaderOptions Options(int32_t images_per_batch, int workers) {
  LoaderOptions options;
  options.batches.seed = 3;
  options.batches.stage = "fast1";
  options.batches.batching.set_images_per_batch(images_per_batch);
  TransformConfig& transform = options.batches.transform;
  for (const int32_t side : {16, 24, 32}) transform.mutable_resize()->add_shortest_side_px(side);
  transform.set_flip(TransformConfig::AT_RANDOM);
  transform.mutable_jitter()->set_contrast(0.5);
  options.resources.set_workers(workers);
  return options;
}

std::unique_ptr<Loader> Make(std::shared_ptr<const Dataset> dataset, const LoaderOptions& options) {
  absl::StatusOr<std::unique_ptr<Loader>> loader = Loader::Create(std::move(dataset), options);
  EXPECT_THAT(loader, IsOk());
  return *std::move(loader);
}

std::vector<Batch> Take(Loader& loader, int64_t n) {
  std::vector<Batch> batches;
  for (int64_t i = 0; i < n; ++i) {
    absl::StatusOr<Batch> batch = loader.Next();
    EXPECT_THAT(batch, IsOk());
    batches.push_back(*std::move(batch));
  }
  return batches;
}

void ExpectSame(const Batch& a, const Batch& b) {
  EXPECT_EQ(a.iteration, b.iteration);
  EXPECT_EQ(a.epoch, b.epoch);
  EXPECT_TRUE(at::equal(a.images, b.images)) << "iteration " << a.iteration;
  ASSERT_EQ(a.entries.size(), b.entries.size());
  for (size_t i = 0; i < a.entries.size(); ++i) {
    EXPECT_EQ(a.entries[i].info.id, b.entries[i].info.id);
    EXPECT_EQ(a.entries[i].info.flipped, b.entries[i].info.flipped);
    EXPECT_EQ(a.entries[i].info.flipped_vertically, b.entries[i].info.flipped_vertically);
    EXPECT_TRUE(at::equal(a.entries[i].boxes, b.entries[i].boxes));
    EXPECT_TRUE(at::equal(a.entries[i].labels, b.entries[i].labels));
  }
}

TEST(LoaderTest, TheNumberOfWorkersChangesNothing) {
  const std::shared_ptr<FakeDataset> dataset = FakeDataset::OfSize(23);
  const std::vector<Batch> expected = Take(*Make(dataset, Options(2, 0)), 40);
  for (const int workers : {1, 2, 4}) {
    const std::vector<Batch> batches = Take(*Make(dataset, Options(2, workers)), 40);
    for (size_t i = 0; i < batches.size(); ++i) ExpectSame(batches[i], expected[i]);
  }
}

TEST(LoaderTest, ResumesAtAnyIteration) {
  const std::shared_ptr<FakeDataset> dataset = FakeDataset::OfSize(23);
  const std::vector<Batch> expected = Take(*Make(dataset, Options(2, 2)), 150);
  LoaderOptions options = Options(2, 2);
  options.first_iteration = 137;
  const std::vector<Batch> resumed = Take(*Make(dataset, options), 13);
  for (size_t i = 0; i < resumed.size(); ++i) ExpectSame(resumed[i], expected[137 + i]);
}

// With the images shuffled together, and block by block.
TEST(LoaderTest, TakesItsShareOfTheIterations) {
  const std::shared_ptr<FakeDataset> dataset = FakeDataset::OfSize(23);
  struct Case {
    IterationShare share;
    int64_t first;
    std::vector<int64_t> iterations;
  };
  const Case cases[] = {{{3, 0, 1}, 0, {0, 3, 6, 9}},  {{3, 1, 3}, 0, {1, 2, 4, 5, 7}},
                        {{3, 1, 3}, 5, {5, 7, 8, 10}}, {{3, 1, 3}, 6, {7, 8, 10, 11}},
                        {{3, 0, 1}, 31, {33, 36}},     {{4, 3, 4}, 1, {3, 7, 11}}};
  for (const int32_t blocks : {0, 5}) {
    LoaderOptions whole = Options(2, 2);
    whole.batches.batching.set_shuffle_blocks(blocks);
    whole.batches.batches_per_update = 3;
    const std::vector<Batch> all = Take(*Make(dataset, whole), 40);
    for (const Case& wanted : cases) {
      for (const int workers : {0, 2}) {
        LoaderOptions options = whole;
        options.resources.set_workers(workers);
        options.share = wanted.share;
        options.first_iteration = wanted.first;
        const auto count = static_cast<int64_t>(wanted.iterations.size());
        const std::vector<Batch> batches = Take(*Make(dataset, options), count);
        for (size_t i = 0; i < batches.size(); ++i) {
          ExpectSame(batches[i], all[static_cast<size_t>(wanted.iterations[i])]);
        }
      }
    }
  }
}

TEST(LoaderTest, SharesOfAnEvaluationHoldEachImageOnce) {
  for (const int workers : {0, 2}) {
    std::vector<int64_t> images;
    for (int64_t rank = 0; rank < 3; ++rank) {
      LoaderOptions options = Options(1, workers);
      options.batches.mode = LoaderMode::kEvaluation;
      options.share = {3, rank, rank + 1};
      const std::unique_ptr<Loader> loader = Make(FakeDataset::OfSize(7), options);
      while (true) {
        const absl::StatusOr<Batch> batch = loader->Next();
        if (absl::IsOutOfRange(batch.status())) break;
        ASSERT_THAT(batch, IsOk());
        images.push_back(batch->entries[0].index);
      }
    }
    EXPECT_THAT(images, ::testing::ElementsAre(0, 3, 6, 1, 4, 2, 5));
  }
}

TEST(LoaderTest, RefusesAnInvalidShare) {
  for (const IterationShare& share : {IterationShare{0, 0, 1}, IterationShare{2, -1, 1},
                                      IterationShare{2, 1, 1}, IterationShare{2, 0, 3}}) {
    LoaderOptions options = Options(1, 0);
    options.share = share;
    EXPECT_THAT(Loader::Create(FakeDataset::OfSize(7), options).status(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("share is [")));
  }
}

TEST(LoaderTest, ResumingDecodesNoEarlierImages) {
  const std::shared_ptr<FakeDataset> dataset = FakeDataset::OfSize(40);
  LoaderOptions options = Options(1, 1);
  options.resources.set_prefetched_batches(1);
  options.first_iteration = 1'000'000'007;
  const absl::Time start = MonotonicNow();
  Take(*Make(dataset, options), 1);
  EXPECT_LT(MonotonicNow() - start, absl::Seconds(2));
  int64_t loads = 0;
  for (const int64_t count : dataset->loads()) loads += count;
  EXPECT_LE(loads, 3);
}

TEST(LoaderTest, TheCacheChangesNothingButTheNumberOfLoads) {
  const std::shared_ptr<FakeDataset> plain = FakeDataset::OfSize(20);
  const std::shared_ptr<FakeDataset> kept = FakeDataset::OfSize(20);
  const auto cached = std::make_shared<CachedDataset>(kept, 1 << 20);
  const std::vector<Batch> expected = Take(*Make(plain, Options(2, 1)), 50);
  const std::vector<Batch> batches = Take(*Make(cached, Options(2, 2)), 50);
  for (size_t i = 0; i < batches.size(); ++i) ExpectSame(batches[i], expected[i]);
  for (const int64_t count : kept->loads()) EXPECT_LE(count, 2);
  EXPECT_GE(cached->stats().hits, 60);
}

TEST(LoaderTest, EvaluationEndsAfterEachImageOnce) {
  for (const int workers : {0, 1, 3}) {
    LoaderOptions options = Options(4, workers);
    options.batches.mode = LoaderMode::kEvaluation;
    const std::unique_ptr<Loader> loader = Make(FakeDataset::OfSize(10), options);
    ASSERT_EQ(loader->batches_per_epoch(), 3);
    int64_t next = 0;
    for (const Batch& batch : Take(*loader, 3)) {
      for (const BatchImage& image : batch.entries) EXPECT_EQ(image.index, next++);
    }
    EXPECT_EQ(next, 10);
    EXPECT_THAT(loader->Next(), StatusIs(absl::StatusCode::kOutOfRange));
    EXPECT_THAT(loader->Next(), StatusIs(absl::StatusCode::kOutOfRange));
  }
}

TEST(LoaderTest, EmptyEvaluationEndsAtOnce) {
  LoaderOptions options = Options(4, 2);
  options.batches.mode = LoaderMode::kEvaluation;
  const std::unique_ptr<Loader> loader = Make(FakeDataset::OfSize(0), options);
  EXPECT_THAT(loader->Next(), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST(LoaderTest, ErrorIsReturnedForItsBatchOnly) {
  for (const int workers : {0, 1, 4}) {
    std::vector<FakeImage> images(12, {10, 10});
    images[5].broken = true;
    LoaderOptions options = Options(3, workers);
    options.batches.mode = LoaderMode::kEvaluation;
    const std::unique_ptr<Loader> loader = Make(std::make_shared<FakeDataset>(images), options);
    EXPECT_THAT(loader->Next(), IsOk());
    EXPECT_EQ(loader->Next().status(), absl::InvalidArgumentError("image-5.jpg: damaged"));
    const absl::StatusOr<Batch> third = loader->Next();
    ASSERT_THAT(third, IsOk());
    EXPECT_EQ(third->iteration, 2);
    EXPECT_EQ(third->entries[0].index, 6);
  }
}

TEST(LoaderTest, OfSeveralErrorsTheFirstImagesIsReported) {
  for (int repeat = 0; repeat < 5; ++repeat) {
    LoaderOptions options = Options(8, 4);
    options.batches.mode = LoaderMode::kEvaluation;
    const std::unique_ptr<Loader> loader =
        Make(std::make_shared<FakeDataset>(std::vector<FakeImage>(8, {10, 10, {}, true})), options);
    EXPECT_THAT(loader->Next(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("image-0.jpg")));
  }
}

TEST(LoaderTest, AnImpossiblePlanIsAnErrorOfNext) {
  LoaderOptions options = Options(1, 2);
  const std::unique_ptr<Loader> loader =
      Make(std::make_shared<FakeDataset>(std::vector<FakeImage>{{1, 1 << 26}}), options);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(loader->Next(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("image-0: ")));
  }
}

TEST(LoaderTest, PrefetchesAtMostTheGivenNumberOfBatches) {
  const std::shared_ptr<FakeDataset> dataset = FakeDataset::OfSize(64);
  LoaderOptions options = Options(1, 4);
  options.batches.mode = LoaderMode::kEvaluation;
  options.resources.set_prefetched_batches(5);
  const std::unique_ptr<Loader> loader = Make(dataset, options);
  Take(*loader, 1);
  absl::SleepFor(absl::Milliseconds(200));
  int64_t loads = 0;
  for (const int64_t count : dataset->loads()) loads += count;
  EXPECT_LE(loads, 6);
  EXPECT_GE(loads, 2);
}

// The queue depth seen by a consumer that takes this long per batch, with a queue
// of three.
LoaderStats StatsOfSlowConsumer(absl::Duration pause) {
  LoaderOptions options = Options(1, 2);
  options.resources.set_prefetched_batches(3);
  const std::unique_ptr<Loader> loader = Make(FakeDataset::OfSize(8), options);
  for (int i = 0; i < 5; ++i) {
    absl::SleepFor(pause);
    EXPECT_THAT(loader->Next(), IsOk());
  }
  return loader->stats();
}

TEST(LoaderTest, StatsCountBatchesWaitAndDepth) {
  // How slow a consumer must be to find the queue full depends on what else the
  // machine does.
  LoaderStats stats;
  for (const int pause_ms : {50, 200, 1000, 3000}) {
    stats = StatsOfSlowConsumer(absl::Milliseconds(pause_ms));
    EXPECT_EQ(stats.batches, 5);
    EXPECT_LE(stats.ready, 15);
    EXPECT_GE(stats.wait, absl::ZeroDuration());
    if (stats.ready >= 10 && stats.wait < absl::Milliseconds(250)) break;
  }
  EXPECT_GE(stats.ready, 10);
  EXPECT_LT(stats.wait, absl::Milliseconds(250));
}

TEST(LoaderTest, CanBeDestroyedAtAnyTime) {
  const std::shared_ptr<FakeDataset> dataset = FakeDataset::OfSize(50);
  for (int64_t taken = 0; taken < 6; ++taken) {
    Take(*Make(dataset, Options(3, 4)), taken);
  }
}

TEST(LoaderTest, WorkersKeepOperatorsOnTheirThread) {
  // The workers do not change the consumer's number of threads.
  const int before = at::get_num_threads();
  Take(*Make(FakeDataset::OfSize(8), Options(2, 2)), 5);
  EXPECT_EQ(at::get_num_threads(), before);
}

TEST(LoaderTest, BadOptionsAreErrorsThatNameTheField) {
  const auto error = [](const LoaderOptions& options) {
    return Loader::Create(FakeDataset::OfSize(3), options).status();
  };
  EXPECT_THAT(error(Options(1, -1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("workers is -1")));
  EXPECT_THAT(error(Options(0, 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("images_per_batch is 0")));
  EXPECT_THAT(error(Options(4, 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("an epoch of 3 images")));
  LoaderOptions options = Options(1, 1);
  options.resources.set_prefetched_batches(0);
  EXPECT_THAT(error(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("prefetched_batches is 0")));
  options = Options(1, 1);
  options.first_iteration = -1;
  EXPECT_THAT(error(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("first_iteration is -1")));
  options = Options(1, 1);
  options.contents.normalization.set_scale(-1);
  EXPECT_THAT(error(options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("normalization.scale is -1")));
}

}  // namespace
}  // namespace rcnn::data
