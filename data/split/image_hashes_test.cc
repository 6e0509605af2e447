#include "rcnn/data/split/image_hashes.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/peak_memory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class HashImagesTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 8; ++i) {
      paths_.push_back(folder_ + "/" + std::to_string(i) + ".png");
      Write(paths_.back(), i);
    }
  }

  static void Write(const std::string& path, int seed) {
    Image image(20, 20);
    for (int k = 0; k < 1200; ++k) image.data()[k] = static_cast<uint8_t>(k * (seed + 3) * 7);
    const auto bytes = EncodePng(image);
    ASSERT_THAT(bytes, IsOk());
    ASSERT_THAT(WriteFileAtomically(path, *bytes), IsOk());
  }

  const std::string folder_ = FreshDirectory();
  std::vector<std::string> paths_;
};

TEST_F(HashImagesTest, AreInOrderForAnyNumberOfThreads) {
  paths_.push_back(folder_ + "/missing.png");
  for (const int threads : {1, 4}) {
    const auto hashes = HashImages(paths_, {.threads = threads});
    ASSERT_THAT(hashes, IsOk());
    ASSERT_EQ(hashes->size(), paths_.size());
    for (size_t i = 0; i + 1 < paths_.size(); ++i) {
      EXPECT_EQ((*hashes)[i], *ReadImageHash(paths_[i]));
    }
    EXPECT_FALSE(hashes->back());
  }
}

// A link to itself can be read as little as a file on a disk with errors.
TEST_F(HashImagesTest, AnImageThatCannotBeReadNowIsAnError) {
  paths_.push_back(folder_ + "/loop.png");
  fs::create_symlink("loop.png", paths_.back());
  for (const int threads : {1, 4}) {
    EXPECT_THAT(HashImages(paths_, {.threads = threads}),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr(paths_.back())));
  }
}

TEST_F(HashImagesTest, UnchangedFilesAreNotReadAgain) {
  const HashOptions options = {.cache_file = folder_ + "/cache/hashes.pb"};
  const auto first = HashImages(paths_, options);
  ASSERT_THAT(first, IsOk());
  // The same size and time, but no longer an image: only the cache can have its hash.
  const auto time = fs::last_write_time(paths_[0]);
  const auto size = fs::file_size(paths_[0]);
  ASSERT_THAT(WriteFileAtomically(paths_[0], std::string(size, 'x')), IsOk());
  fs::last_write_time(paths_[0], time);
  const auto second = HashImages(paths_, options);
  ASSERT_THAT(second, IsOk());
  EXPECT_EQ(*second, *first);
  // A changed one is.
  Write(paths_[0], 77);
  const auto third = HashImages(paths_, options);
  ASSERT_THAT(third, IsOk());
  EXPECT_NE((*third)[0], (*first)[0]);
  EXPECT_EQ((*third)[1], (*first)[1]);
}

// So that the speed is that of the images that are read.
TEST_F(HashImagesTest, ImagesOfTheCacheAreReportedApart) {
  const std::string cache = folder_ + "/hashes.pb";
  ASSERT_THAT(HashImages({paths_[0], paths_[1]}, {.cache_file = cache}), IsOk());
  int computed = 0, known = 0;
  const HashOptions options = {
      .cache_file = cache, .progress = [&] { ++computed; }, .known = [&] { ++known; }};
  ASSERT_THAT(HashImages(paths_, options), IsOk());
  EXPECT_EQ(known, 2);
  EXPECT_EQ(computed, static_cast<int>(paths_.size()) - 2);
  ASSERT_THAT(HashImages(paths_, options), IsOk());
  EXPECT_EQ(known, 2 + static_cast<int>(paths_.size()));
}

TEST_F(HashImagesTest, ABadCacheIsRewritten) {
  const HashOptions options = {.cache_file = folder_ + "/hashes.pb"};
  ASSERT_THAT(WriteFileAtomically(options.cache_file, "not a cache"), IsOk());
  const auto hashes = HashImages(paths_, options);
  ASSERT_THAT(hashes, IsOk());
  EXPECT_TRUE((*hashes)[0]);
  EXPECT_GT(fs::file_size(options.cache_file), 100u);
  // Others of the folder stay in it.
  ASSERT_THAT(HashImages({paths_[0]}, options), IsOk());
  ASSERT_THAT(HashImages({}, options), IsOk());
}

// Another hash could bring an image to another side of a split.
TEST_F(HashImagesTest, AFlippedBitOfTheCacheIsNoticed) {
  const HashOptions options = {.cache_file = folder_ + "/hashes.pb"};
  const auto first = HashImages(paths_, options);
  ASSERT_THAT(first, IsOk());
  const std::string whole = ReadFile(options.cache_file).value();
  for (const size_t at : {size_t{0}, size_t{9}, whole.size() / 2, whole.size() - 1}) {
    std::string flipped = whole;
    flipped[at] ^= 1;
    ASSERT_THAT(WriteFileAtomically(options.cache_file, flipped), IsOk());
    EXPECT_THAT(HashImages(paths_, options), IsOkAndHolds(*first)) << at;
    EXPECT_THAT(ReadFile(options.cache_file), IsOkAndHolds(whole)) << at;
  }
}

// A cache with this message.
std::string WithChecksum(absl::string_view message) {
  return absl::StrCat(absl::StrFormat("%08x\n", Crc32c(message)), message);
}

// An entry of ImageHashCache without size and time, and with a path of six bytes.
std::string Entry(int number) {
  return absl::StrCat("\x12\x3a\x0a\x06", absl::StrFormat("%06d", number), "\x22\x30",
                      std::string(48, 'x'));
}

TEST_F(HashImagesTest, WhatIsNotWrittenHereIsNotRead) {
  const HashOptions options = {.cache_file = folder_ + "/hashes.pb"};
  const auto first = HashImages(paths_, options);
  ASSERT_THAT(first, IsOk());
  const std::string whole = ReadFile(options.cache_file).value();
  const std::string message = whole.substr(whole.find('\n') + 1);
  int known = 0;
  HashOptions counting = options;
  counting.known = [&known] { ++known; };
  const auto known_with = [&](const std::string& more) {
    known = 0;
    EXPECT_THAT(WriteFileAtomically(options.cache_file, WithChecksum(message + more)), IsOk());
    EXPECT_THAT(HashImages(paths_, counting), IsOkAndHolds(*first));
    return known;
  };
  EXPECT_EQ(known_with(""), 8);
  EXPECT_EQ(known_with(Entry(1)), 8);
  const std::string unknown = "\x78\x01";
  const std::string empty_entry("\x12\x00", 2);
  const std::string short_entry = absl::StrCat("\x12\x31\x0a\x2f", std::string(47, 'x'));
  const std::string with_unknown = absl::StrCat("\x12\x32\x0a\x2e", std::string(46, 'x'), unknown);
  const std::string cut_off = Entry(1).substr(0, 59);
  for (const std::string& more : {unknown, empty_entry, short_entry, with_unknown, cut_off}) {
    EXPECT_EQ(known_with(more), 0) << absl::StrCat(more.size(), " bytes");
    EXPECT_THAT(ReadFile(options.cache_file), IsOkAndHolds(whole));
  }
}

TEST_F(HashImagesTest, MemoryIsBoundedByTheSizeOfTheFile) {
  if (!kMeasuresMemory) GTEST_SKIP() << "sanitizers need memory of their own";
  constexpr int kBytes = 4'000'000;
  const std::string empty_entry("\x12\x00", 2);
  std::string entries, empty, unknown;
  for (int i = 0; i < kBytes / 60; ++i) entries += Entry(i);
  for (int i = 0; i < kBytes / 2; ++i) {
    empty += empty_entry;
    unknown += "\x78\x01";
  }
  const HashOptions options = {.cache_file = folder_ + "/hashes.pb"};
  for (const std::string& message : {entries, empty, unknown, empty_entry + unknown}) {
    const std::string bytes = WithChecksum(absl::StrCat("\x08\x01", message));
    ASSERT_THAT(WriteFileAtomically(options.cache_file, bytes), IsOk());
    const int64_t peak = MeasurePeakBytes([&] { HashImages({}, options).status().IgnoreError(); });
    EXPECT_GE(peak, 0);
    EXPECT_LE(peak, 10 * static_cast<int64_t>(bytes.size()) + (4 << 20)) << bytes.size();
  }
}

TEST_F(HashImagesTest, StopsOnRequest) {
  std::atomic<int> done{0};
  const auto hashes =
      HashImages(paths_, {.progress = [&] { ++done; }, .stop = [&] { return done >= 3; }});
  EXPECT_THAT(hashes, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(done, 3);
}

TEST(HashCacheFile, IsInTheUsersCache) {
  setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(HashCacheFile("/data/cells").rfind("/cache/rcnn/image_hashes/cells-", 0), 0u);
  EXPECT_NE(HashCacheFile("/data/cells"), HashCacheFile("/other/cells"));
  unsetenv("XDG_CACHE_HOME");
  setenv("HOME", "/home/me", 1);
  EXPECT_EQ(HashCacheFile("/a").rfind("/home/me/.cache/rcnn/", 0), 0u);
  unsetenv("HOME");
  EXPECT_EQ(HashCacheFile("/a"), "");
}

TEST(HashCacheFile, InADeletedFolderARelativePathHasNone) {
  setenv("XDG_CACHE_HOME", "/cache", 1);
  const std::filesystem::path before = std::filesystem::current_path();
  const std::string deleted = testing::TempDir() + "/deleted";
  std::filesystem::create_directories(deleted);
  std::filesystem::current_path(deleted);
  std::filesystem::remove(deleted);
  EXPECT_EQ(HashCacheFile("../cells"), "");
  EXPECT_NE(HashCacheFile("/data/cells"), "");
  std::filesystem::current_path(before);
  unsetenv("XDG_CACHE_HOME");
}

}  // namespace
}  // namespace rcnn::data
