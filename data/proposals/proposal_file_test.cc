#include "rcnn/data/proposals/proposal_file.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/safetensors_writer.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/proposals/proposal_writer.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::FakeDataset;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const float kNan = std::numeric_limits<float>::quiet_NaN();

std::string TempPath(const std::string& name) {
  return absl::StrCat(::testing::TempDir(), "/", name);
}

// The arrays of a file that need not be a valid one.
struct Raw {
  std::vector<float> boxes = {0, 0, 4, 4, 1, 1, 3, 3};
  std::vector<float> scores = {0.9f, 0.1f};
  std::vector<int64_t> offsets = {0, 2, 2};
  std::vector<int64_t> image_ids = {100, 101};
  SafetensorsMetadata metadata = {{"format", kProposalFormat},
                                  {"dataset_fingerprint", "00112233445566778899aabbccddeeff"}};
  SafetensorsType score_type = SafetensorsType::kF32;
};

template <typename T>
absl::string_view AsBytes(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

template <typename T>
int64_t Count(const std::vector<T>& values) {
  return static_cast<int64_t>(values.size());
}

// Writes `raw` and opens it as the proposals of two images.
absl::StatusOr<std::shared_ptr<const ProposalFile>> OpenRaw(const Raw& raw) {
  const std::string path = TempPath("raw.safetensors");
  const absl::Status written =
      WriteSafetensors(
          path,
          {{{"boxes", SafetensorsType::kF32, {Count(raw.boxes) / 4, 4}}, AsBytes(raw.boxes)},
           {{"scores", raw.score_type, {Count(raw.scores)}}, AsBytes(raw.scores)},
           {{"offsets", SafetensorsType::kI64, {Count(raw.offsets)}}, AsBytes(raw.offsets)},
           {{"image_ids", SafetensorsType::kI64, {Count(raw.image_ids)}}, AsBytes(raw.image_ids)}},
          raw.metadata)
          .status();
  EXPECT_THAT(written, IsOk());
  return ProposalFile::Open(path, FakeDataset({{4, 4}, {4, 4}}));
}

void ExpectOpenError(const Raw& raw, const std::string& message) {
  const absl::Status status = OpenRaw(raw).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr(message), HasSubstr("raw.safetensors"))));
}

TEST(ProposalFileTest, ReadsBackWhatWasWritten) {
  const FakeDataset dataset({{40, 30}, {30, 40}, {20, 20}});
  const std::string path = TempPath("proposals.safetensors");
  absl::StatusOr<ProposalWriter> writer = ProposalWriter::Create(path, dataset, "by hand");
  ASSERT_THAT(writer, IsOk());
  ASSERT_THAT(writer->Append({{0, 1, 2, 3}, {4, 5, 6, 7.5f}}, {0.5f, 0.5f}), IsOk());
  ASSERT_THAT(writer->Append({}, {}), IsOk());
  ASSERT_THAT(writer->Append({{8, 9, 8, 9}}, {-1.0f}), IsOk());
  ASSERT_THAT(writer->Commit(), IsOk());

  const auto file = ProposalFile::Open(path, dataset);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ((*file)->size(), 3);
  EXPECT_EQ((*file)->total(), 3);
  EXPECT_EQ((*file)->source(), "by hand");
  EXPECT_THAT((*file)->Get(0)->boxes, ElementsAre(Box{0, 1, 2, 3}, Box{4, 5, 6, 7.5f}));
  EXPECT_THAT((*file)->Get(0)->scores, ElementsAre(0.5f, 0.5f));
  EXPECT_THAT((*file)->Get(1)->boxes, IsEmpty());
  EXPECT_THAT((*file)->Get(2)->boxes, ElementsAre(Box{8, 9, 8, 9}));
  EXPECT_THAT((*file)->Get(0)->First(1).boxes, ElementsAre(Box{0, 1, 2, 3}));
  EXPECT_THAT((*file)->Get(0)->First(9).scores, ElementsAre(0.5f, 0.5f));
}

TEST(ProposalFileTest, EmptyDatasetHasAFile) {
  const FakeDataset dataset({});
  const std::string path = TempPath("empty.safetensors");
  absl::StatusOr<ProposalWriter> writer = ProposalWriter::Create(path, dataset, "");
  ASSERT_THAT(writer, IsOk());
  ASSERT_THAT(writer->Commit(), IsOk());
  const auto file = ProposalFile::Open(path, dataset);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ((*file)->size(), 0);
}

TEST(ProposalFileTest, RejectsAnotherDataset) {
  const std::string path = TempPath("other.safetensors");
  FakeDataset dataset({{4, 4}});
  absl::StatusOr<ProposalWriter> writer = ProposalWriter::Create(path, dataset, "");
  ASSERT_THAT(writer, IsOk());
  ASSERT_THAT(writer->Append({}, {}), IsOk());
  ASSERT_THAT(writer->Commit(), IsOk());
  dataset.set_fingerprint("ffeeddccbbaa99887766554433221100");
  const absl::Status status = ProposalFile::Open(path, dataset).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               AllOf(HasSubstr("made for another dataset"), HasSubstr(path))));
}

TEST(ProposalFileTest, RejectsOtherFiles) {
  ASSERT_THAT(OpenRaw({}), IsOk());
  Raw raw;
  raw.metadata.clear();
  ExpectOpenError(raw, "not a proposal file: its format is \"\"");
  raw = Raw();
  raw.score_type = SafetensorsType::kI32;
  ExpectOpenError(raw, "array \"scores\" is I32 [2], not F32 [2]");
  raw = Raw();
  raw.scores = {1};
  ExpectOpenError(raw, "array \"scores\" is F32 [1], not F32 [2]");
  raw = Raw();
  raw.image_ids = {100, 101, 102};
  ExpectOpenError(raw, "array \"image_ids\" is I64 [3], not I64 [2]");
  raw = Raw();
  raw.offsets = {};
  raw.image_ids = {};
  EXPECT_THAT(OpenRaw(raw), ::testing::Not(IsOk()));
}

TEST(ProposalFileTest, RejectsInvalidOffsets) {
  const auto expect = [](std::vector<int64_t> offsets, const std::string& message) {
    Raw raw;
    raw.offsets = std::move(offsets);
    ExpectOpenError(raw, message);
  };
  expect({1, 2, 2}, "offsets[0] is 1");
  expect({0, -1, 2}, "offsets[1] is -1");
  expect({0, 3, 2}, "offsets[1] is 3");
  expect({0, 2, 1}, "offsets[2] is 1");
  expect({0, std::numeric_limits<int64_t>::max(), 2}, "offsets[1] is 9223372036854775807");
  expect({0, 1, 1}, "the offsets end at 1, but there are 2 boxes");
}

TEST(ProposalFileTest, ImagesOfOtherIdsAreErrors) {
  Raw raw;
  raw.image_ids = {100, 7};
  ExpectOpenError(raw, "image_ids[1] is 7, not 101");
  raw.offsets = {0, 2};
  raw.image_ids = {100};
  ExpectOpenError(raw, "proposals for 1 image, but the dataset has 2: generate them again");
}

TEST(ProposalFileTest, DetectsBadBoxesOnAccess) {
  Raw raw;
  raw.boxes[6] = kNan;
  const auto file = OpenRaw(raw);
  ASSERT_THAT(file, IsOk());
  EXPECT_THAT((*file)->Get(1), IsOk());
  EXPECT_THAT((*file)->Get(0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("raw.safetensors: image 0: box 1 is (1, 1, nan, 3)")));
}

TEST(ProposalFileTest, EveryTruncationIsAnError) {
  ASSERT_THAT(OpenRaw({}), IsOk());
  const std::string bytes = *ReadFile(TempPath("raw.safetensors"));
  const std::string path = TempPath("truncated.safetensors");
  for (size_t size = 0; size < bytes.size(); size += 7) {
    ASSERT_THAT(WriteFileAtomically(path, bytes.substr(0, size)), IsOk());
    EXPECT_THAT(ProposalFile::Open(path, FakeDataset({{4, 4}, {4, 4}})), ::testing::Not(IsOk()))
        << size;
  }
}

TEST(CheckProposalsTest, NamesTheFirstOffence) {
  EXPECT_THAT(CheckProposals({}, {}), IsOk());
  EXPECT_THAT(CheckProposals({{1, 1, 1, 1}, {0, 0, 2, 2}}, {3, 3}), IsOk());
  EXPECT_THAT(CheckProposals({{0, 0, 1, 1}}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("1 box with 0 scores")));
  EXPECT_THAT(CheckProposals({{0, 0, 1, 1}, {2, 0, 1, 1}}, {1, 1}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("box 1 is (2, 0, 1, 1)")));
  EXPECT_THAT(CheckProposals({{0, INFINITY, 1, INFINITY}}, {1}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("box 0 is (0, inf, 1, inf)")));
  EXPECT_THAT(CheckProposals({{0, 0, 1, 1}}, {kNan}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("score 0 is nan")));
  EXPECT_THAT(CheckProposals({{0, 0, 1, 1}, {0, 0, 1, 1}}, {1, 2}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("score 1 is 2 after 1")));
}

}  // namespace
}  // namespace rcnn::data
