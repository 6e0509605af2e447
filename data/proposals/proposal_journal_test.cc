#include "rcnn/data/proposals/proposal_journal.h"

#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"

namespace {

// What the next call of flock fails with; 0: it does not fail.
int lock_error = 0;

}  // namespace

// Replaces the C library's function.
extern "C" int flock(int descriptor, int operation) noexcept {
  if (lock_error == 0) return static_cast<int>(syscall(SYS_flock, descriptor, operation));
  errno = std::exchange(lock_error, 0);
  return -1;
}

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A journal at the test's path.
class ProposalJournalTest : public testing::Test {
 protected:
  ProposalJournalTest()
      : path_(absl::StrCat(testing::TempDir(), "/",
                           testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::remove(path_.c_str());
  }

  // Records the replayed scores.
  absl::StatusOr<ProposalJournal> Open(const std::string& key = "key") {
    replayed_.clear();
    return ProposalJournal::Open(
        path_, key, [this](absl::Span<const Box> boxes, absl::Span<const float> scores) {
          EXPECT_EQ(boxes.size(), scores.size());
          for (size_t i = 0; i < boxes.size(); ++i) EXPECT_EQ(boxes[i], ObjectBox(scores[i]));
          replayed_.emplace_back(scores.begin(), scores.end());
          return absl::OkStatus();
        });
  }

  static Box ObjectBox(float score) { return {score, score + 1, score + 2, score + 3}; }

  void Append(ProposalJournal& journal, const std::vector<float>& scores) {
    std::vector<Box> boxes;
    for (const float score : scores) boxes.push_back(ObjectBox(score));
    ASSERT_THAT(journal.Append(boxes, scores), IsOk());
  }

  void WriteThree() {
    absl::StatusOr<ProposalJournal> journal = Open();
    ASSERT_THAT(journal, IsOk());
    for (const std::vector<float>& scores : {std::vector<float>{3, 2}, {}, {7}}) {
      Append(*journal, scores);
    }
  }

  std::string path_;
  std::vector<std::vector<float>> replayed_;
};

TEST_F(ProposalJournalTest, ReplaysAnEarlierProcess) {
  WriteThree();
  EXPECT_THAT(replayed_, IsEmpty());
  {
    absl::StatusOr<ProposalJournal> journal = Open();
    ASSERT_THAT(journal, IsOk());
    EXPECT_THAT(replayed_, ElementsAre(ElementsAre(3, 2), IsEmpty(), ElementsAre(7)));
    Append(*journal, {9});
  }
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(replayed_, ElementsAre(ElementsAre(3, 2), IsEmpty(), ElementsAre(7), ElementsAre(9)));
}

TEST_F(ProposalJournalTest, AnotherKeyStartsOver) {
  WriteThree();
  ASSERT_THAT(Open("another key"), IsOk());
  EXPECT_THAT(replayed_, IsEmpty());
  ASSERT_THAT(Open(), IsOk());
  EXPECT_THAT(replayed_, IsEmpty());
}

TEST_F(ProposalJournalTest, ExistsWithItsKeyAlone) {
  EXPECT_THAT(ProposalJournal::Exists(path_, "key"), IsOkAndHolds(false));
  WriteThree();
  const std::string before = ReadFile(path_).value();
  EXPECT_THAT(ProposalJournal::Exists(path_, "key"), IsOkAndHolds(true));
  EXPECT_THAT(ProposalJournal::Exists(path_, "other"), IsOkAndHolds(false));
  EXPECT_THAT(ReadFile(path_), IsOkAndHolds(before));
  ASSERT_THAT(WriteFileAtomically(path_, before.substr(0, 10)), IsOk());
  EXPECT_THAT(ProposalJournal::Exists(path_, "key"), IsOkAndHolds(false));
}

TEST_F(ProposalJournalTest, CutsOffARecordTornAnywhere) {
  WriteThree();
  const std::string bytes = *ReadFile(path_);
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_THAT(WriteFileAtomically(path_, bytes.substr(0, size)), IsOk());
    absl::StatusOr<ProposalJournal> journal = Open();
    ASSERT_THAT(journal, IsOk());
    const size_t kept = replayed_.size();
    EXPECT_LT(kept, 3u) << size;
    Append(*journal, {5});
    { const ProposalJournal closed = *std::move(journal); }
    ASSERT_THAT(Open(), IsOk());
    ASSERT_EQ(replayed_.size(), kept + 1) << size;
    EXPECT_THAT(replayed_.back(), ElementsAre(5));
  }
}

// What some file systems leave of an appended part after a power cut.
TEST_F(ProposalJournalTest, ZerosAtTheEndAreCutOff) {
  WriteThree();
  const std::string bytes = *ReadFile(path_);
  for (const size_t zeros : {size_t{1}, size_t{12}, size_t{24}, size_t{4096}}) {
    ASSERT_THAT(WriteFileAtomically(path_, absl::StrCat(bytes, std::string(zeros, '\0'))), IsOk());
    ASSERT_THAT(Open(), IsOk());
    EXPECT_THAT(replayed_, SizeIs(3)) << zeros;
    EXPECT_EQ(ReadFile(path_)->size(), bytes.size());
  }
}

TEST_F(ProposalJournalTest, ADamagedRecordEndsTheReplay) {
  WriteThree();
  const std::string bytes = *ReadFile(path_);
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    ASSERT_THAT(WriteFileAtomically(path_, damaged), IsOk());
    ASSERT_THAT(Open(), IsOk());
    EXPECT_LT(replayed_.size(), 3u) << i;
  }
}

TEST_F(ProposalJournalTest, OneProcessAtATime) {
  const absl::StatusOr<ProposalJournal> first = Open();
  ASSERT_THAT(first, IsOk());
  const absl::Status second = Open().status();
  EXPECT_THAT(second, StatusIs(absl::StatusCode::kUnavailable, HasSubstr(path_)));
}

TEST_F(ProposalJournalTest, ALockThatFailsIsNotAnotherProcess) {
  for (const int error : {EIO, ENOLCK, ENOMEM}) {
    lock_error = error;
    EXPECT_THAT(
        Open(),
        StatusIs(absl::StatusCode::kUnavailable,
                 HasSubstr(absl::StrCat("cannot lock ", path_, ": ", std::strerror(error)))));
  }
  lock_error = EINTR;
  EXPECT_THAT(Open(), IsOk());
}

// The limit of a file's size fails a write as a full disk does.
TEST_F(ProposalJournalTest, AFullDiskIsNamedWithWhatToDo) {
  absl::StatusOr<ProposalJournal> journal = Open();
  ASSERT_THAT(journal, IsOk());
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {1000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status status =
      journal->Append(std::vector<Box>(100, ObjectBox(1)), std::vector<float>(100, 1));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               AllOf(HasSubstr(path_), HasSubstr("free some space"))));
}

TEST_F(ProposalJournalTest, IsGoneAfterRemove) {
  absl::StatusOr<ProposalJournal> journal = Open();
  ASSERT_THAT(journal, IsOk());
  ASSERT_THAT(journal->Remove(), IsOk());
  EXPECT_THAT(ReadFile(path_), ::testing::Not(IsOk()));
}

TEST_F(ProposalJournalTest, ReturnsAnErrorOfTheReplay) {
  WriteThree();
  const auto refuse = [](absl::Span<const Box>, absl::Span<const float>) {
    return absl::DataLossError("no");
  };
  EXPECT_EQ(ProposalJournal::Open(path_, "key", refuse).status(),
            absl::DataLossError(absl::StrCat(path_, ": no")));
}

TEST_F(ProposalJournalTest, RejectsIrregularFiles) {
  ASSERT_THAT(CreateDirectories(path_), IsOk());
  EXPECT_THAT(Open(), ::testing::Not(IsOk()));
  path_ += "/none/journal";
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace rcnn::data
