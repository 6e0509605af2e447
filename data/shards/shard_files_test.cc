#include "rcnn/data/shards/shard_files.h"

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// File i has ten bytes: digits that begin with i.
std::vector<std::string> WriteFiles(const std::string& stem, int count) {
  std::vector<std::string> paths;
  for (int i = 0; i < count; ++i) {
    paths.push_back(absl::StrCat(::testing::TempDir(), "/", stem, i));
    std::string digits;
    for (int k = 0; k < 10; ++k) digits.push_back(static_cast<char>('0' + (i + k) % 10));
    EXPECT_THAT(WriteFileAtomically(paths.back(), digits), IsOk());
  }
  return paths;
}

TEST(ShardFilesTest, ReadsPartsOfFiles) {
  const ShardFiles files(WriteFiles("parts", 2));
  EXPECT_THAT(files.Read(0, 0, 3), IsOkAndHolds("012"));
  EXPECT_THAT(files.Read(1, 7, 3), IsOkAndHolds("890"));
  EXPECT_THAT(files.Read(1, 10, 0), IsOkAndHolds(""));
}

TEST(ShardFilesTest, ReadsMoreFilesThanStayOpen) {
  const ShardFiles files(WriteFiles("many", 7), /*max_open=*/2);
  for (int round = 0; round < 2; ++round) {
    for (int64_t i = 0; i < 7; ++i) {
      EXPECT_THAT(files.Read(i, 0, 1), IsOkAndHolds(absl::StrCat(i)));
    }
  }
}

TEST(ShardFilesTest, ThreadsReadAtOnce) {
  const ShardFiles files(WriteFiles("threads", 5), /*max_open=*/2);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int64_t i = 0; i < 200; ++i) {
        const auto bytes = files.Read(i % 5, 0, 1);
        if (!bytes.ok() || *bytes != absl::StrCat(i % 5)) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(ShardFilesTest, ErrorsNameThePath) {
  std::vector<std::string> paths = WriteFiles("short", 2);
  std::filesystem::remove(paths[1]);
  const ShardFiles files(paths);
  EXPECT_THAT(
      files.Read(0, 8, 3),
      StatusIs(absl::StatusCode::kDataLoss,
               AllOf(HasSubstr("short0"), HasSubstr("ends at 10, before the 3 bytes at 8"))));
  EXPECT_THAT(files.Read(1, 0, 1), StatusIs(absl::StatusCode::kNotFound, HasSubstr("short1")));
}

}  // namespace
}  // namespace rcnn::data
