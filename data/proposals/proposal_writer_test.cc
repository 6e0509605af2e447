#include "rcnn/data/proposals/proposal_writer.h"

#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/proposals/proposal_file.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using testing::FakeDataset;
using ::testing::HasSubstr;

int64_t FilesIn(const std::string& folder) {
  int64_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

TEST(ProposalWriterTest, LeavesNothingWithoutCommit) {
  const std::string folder = FreshDirectory();
  const FakeDataset dataset({{4, 4}, {4, 4}});
  {
    auto writer = ProposalWriter::Create(folder + "/p.safetensors", dataset, "");
    ASSERT_THAT(writer, IsOk());
    ASSERT_THAT(writer->Append({{0, 0, 1, 1}}, {1}), IsOk());
    // The temporary files have no names: a killed process leaves none behind.
    EXPECT_EQ(FilesIn(folder), 0);
    EXPECT_THAT(writer->Commit(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                           HasSubstr("has proposals for only 1 of 2 images")));
  }
  EXPECT_EQ(FilesIn(folder), 0);
}

TEST(ProposalWriterTest, UnfinishedWriterKeepsTheOldFile) {
  const std::string path = FreshDirectory() + "/p.safetensors";
  const FakeDataset dataset({{4, 4}});
  auto first = ProposalWriter::Create(path, dataset, "first");
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(first->Append({}, {}), IsOk());
  ASSERT_THAT(first->Commit(), IsOk());
  auto second = ProposalWriter::Create(path, dataset, "second");
  ASSERT_THAT(second, IsOk());
  ASSERT_THAT(second->Append({{0, 0, 1, 1}}, {1}), IsOk());
  EXPECT_EQ((*ProposalFile::Open(path, dataset))->source(), "first");
  ASSERT_THAT(second->Commit(), IsOk());
  EXPECT_EQ((*ProposalFile::Open(path, dataset))->source(), "second");
}

TEST(ProposalWriterTest, BadProposalsNameTheImageAndAreDropped) {
  const std::string path = FreshDirectory() + "/p.safetensors";
  const FakeDataset dataset({{4, 4}});
  auto writer = ProposalWriter::Create(path, dataset, "");
  ASSERT_THAT(writer, IsOk());
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(writer->Append({{0, 0, 1, nan}}, {1}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("proposals of image-0: box 0 is (0, 0, 1, nan)")));
  EXPECT_EQ(writer->size(), 0);
  ASSERT_THAT(writer->Append({{0, 0, 1, 1}}, {1}), IsOk());
  EXPECT_THAT(writer->Append({}, {}), StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_THAT(writer->Commit(), IsOk());
  EXPECT_EQ((*ProposalFile::Open(path, dataset))->total(), 1);
}

TEST(ProposalWriterTest, CopiesManyBoxesInPieces) {
  const std::string path = FreshDirectory() + "/p.safetensors";
  const FakeDataset dataset(std::vector<testing::FakeImage>(60, {100, 100}));
  auto writer = ProposalWriter::Create(path, dataset, "");
  ASSERT_THAT(writer, IsOk());
  for (int64_t i = 0; i < 60; ++i) {
    std::vector<Box> boxes;
    std::vector<float> scores;
    for (int64_t k = 0; k < 2000 + i; ++k) {
      boxes.push_back({static_cast<float>(i), 0, static_cast<float>(i + k), 1});
      scores.push_back(static_cast<float>(-k));
    }
    ASSERT_THAT(writer->Append(boxes, scores), IsOk());
  }
  ASSERT_THAT(writer->Commit(), IsOk());
  const auto file = ProposalFile::Open(path, dataset);
  ASSERT_THAT(file, IsOk());
  for (int64_t i = 0; i < 60; ++i) {
    const ImageProposals proposals = *(*file)->Get(i);
    ASSERT_EQ(proposals.boxes.size(), static_cast<size_t>(2000 + i));
    EXPECT_EQ(proposals.boxes.back(),
              (Box{static_cast<float>(i), 0, static_cast<float>(i + 1999 + i), 1}));
  }
}

// The limit of a file's size fails a write as a full disk does.
TEST(ProposalWriterTest, AFullDiskIsNamedWithWhatToDo) {
  const std::string path = FreshDirectory() + "/p.safetensors";
  const FakeDataset dataset({{4, 4}});
  auto writer = ProposalWriter::Create(path, dataset, "");
  ASSERT_THAT(writer, IsOk());
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {10'000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status status =
      writer->Append(std::vector<Box>(10'000, Box{0, 0, 1, 1}), std::vector<float>(10'000, 1));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               AllOf(HasSubstr(path), HasSubstr("free some space"))));
}

TEST(ProposalWriterTest, AMissingFolderIsAnErrorWithThePath) {
  const FakeDataset dataset({{4, 4}});
  const std::string path = ::testing::TempDir() + "/nowhere/p.safetensors";
  EXPECT_THAT(ProposalWriter::Create(path, dataset, ""),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(path)));
}

}  // namespace
}  // namespace rcnn::data
