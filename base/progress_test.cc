#include "rcnn/base/progress.h"

#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rcnn {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

absl::Time fake_now;
absl::Time FakeNow() { return fake_now; }

class ProgressTest : public testing::Test {
 protected:
  void SetUp() override {
    fake_now = absl::UnixEpoch();
    stream_ = std::tmpfile();
    ASSERT_NE(stream_, nullptr);
  }
  void TearDown() override { std::fclose(stream_); }

  ProgressOptions Options(bool terminal) {
    ProgressOptions options;
    options.stream = stream_;
    options.is_terminal = terminal;
    options.now = &FakeNow;
    return options;
  }

  std::string Output() {
    std::string text(static_cast<size_t>(std::ftell(stream_)), '\0');
    std::rewind(stream_);
    const size_t read = std::fread(&text[0], 1, text.size(), stream_);
    EXPECT_EQ(read, text.size());
    return text;
  }

  std::FILE* stream_ = nullptr;
};

TEST_F(ProgressTest, PrintsNothingBeforeTheFirstInterval) {
  Progress progress("proposals", 100, 0, Options(false));
  progress.Add(10);
  EXPECT_EQ(Output(), "");
}

TEST_F(ProgressTest, PlainLineHasCountRateAndTimeLeft) {
  Progress progress("proposals", 100, 0, Options(false));
  fake_now += absl::Seconds(10);
  progress.Add(25);
  EXPECT_EQ(Output(), "proposals 25/100  25 % 2.5/s eta 30.0s\n");
}

TEST_F(ProgressTest, PlainLinesAreFarApart) {
  Progress progress("proposals", 100, 0, Options(false));
  for (int i = 0; i < 100; ++i) {
    fake_now += absl::Milliseconds(100);
    progress.Add();
  }
  EXPECT_EQ(Output(),
            "proposals 50/100  50 % 10.0/s eta 5.0s\n"
            "proposals 100/100 100 % 10.0/s\n");
}

TEST_F(ProgressTest, TerminalRedrawsOneLine) {
  Progress progress("train", 4, 0, Options(true));
  for (int i = 0; i < 4; ++i) {
    fake_now += absl::Seconds(1);
    progress.Add();
  }
  progress.Finish();
  const std::string output = Output();
  EXPECT_THAT(output,
              HasSubstr("\rtrain [######..................] 1/4  25 % 1.0/s eta 3.0s\033[K"));
  EXPECT_THAT(output, EndsWith("\rtrain 4/4 100 % 1.0/s in 4.0s\033[K\n"));
  EXPECT_EQ(std::count(output.begin(), output.end(), '\n'), 1);
}

TEST_F(ProgressTest, WorkDoneBeforeAResumeDoesNotCountForTheRate) {
  Progress progress("train", 1000, 900, Options(false));
  fake_now += absl::Seconds(10);
  progress.Add(10);
  EXPECT_EQ(Output(), "train 910/1000  91 % 1.0/s eta 1m30s\n");
}

// 40 units of an earlier run are found within 10 s, and 10 more are done in the next 10 s.
TEST_F(ProgressTest, SkippedUnitsAndTheirTimeDoNotCountForTheRate) {
  Progress progress("shards", 100, 0, Options(false));
  fake_now += absl::Seconds(10);
  progress.Skip(40);
  fake_now += absl::Seconds(10);
  progress.Add(10);
  progress.Finish();
  EXPECT_EQ(Output(),
            "shards 40/100  40 %\n"
            "shards 50/100  50 % 1.0/s eta 50.0s\n"
            "shards 50/100  50 % 1.0/s in 20.0s\n");
}

// Among units that are done, those that are skipped only reduce what is left.
TEST_F(ProgressTest, UnitsSkippedLaterDoNotCountForTheRate) {
  Progress progress("images compared", 100, 0, Options(false));
  fake_now += absl::Seconds(2);
  progress.Add(10);
  progress.Skip(40);
  fake_now += absl::Seconds(8);
  progress.Add(10);
  EXPECT_EQ(Output(), "images compared 60/100  60 % 2.0/s eta 20.0s\n");
}

TEST_F(ProgressTest, ABarIsShownBeforeTheFirstUnit) {
  Progress progress("train", 4, 0, Options(true));
  progress.Show();
  EXPECT_EQ(Output(), "\rtrain [........................] 0/4   0 %\033[K");
}

TEST_F(ProgressTest, ALogHasNoLineBeforeTheFirstInterval) {
  Progress progress("train", 4, 0, Options(false));
  progress.Show();
  EXPECT_EQ(Output(), "");
}

TEST_F(ProgressTest, UnknownTotalHasNoPercentage) {
  Progress progress("reading", 0, 0, Options(false));
  fake_now += absl::Seconds(10);
  progress.Add(5000);
  EXPECT_EQ(Output(), "reading 5000 500/s\n");
}

TEST_F(ProgressTest, TheRateSaysOfWhatItIs) {
  ProgressOptions options = Options(false);
  options.unit = "images";
  Progress progress("proposals", 100, 0, options);
  fake_now += absl::Seconds(10);
  progress.Add(25);
  progress.Finish();
  EXPECT_EQ(Output(),
            "proposals 25/100  25 % 2.5 images/s eta 30.0s\n"
            "proposals 25/100  25 % 2.5 images/s in 10.0s\n");
}

TEST_F(ProgressTest, ASlowRateHasThreeDecimals) {
  Progress progress("proposals", 100, 0, Options(false));
  fake_now += absl::Seconds(10);
  progress.Add(9);
  EXPECT_THAT(Output(), HasSubstr(" 0.900/s eta "));
}

TEST_F(ProgressTest, NoteIsAtTheEnd) {
  Progress progress("train", 10, 0, Options(false));
  progress.SetNote("loss 0.412");
  fake_now += absl::Seconds(10);
  progress.Add(10);
  EXPECT_THAT(Output(), EndsWith("  loss 0.412\n"));
}

TEST_F(ProgressTest, FinishPrintsOnce) {
  Progress progress("train", 1, 0, Options(false));
  fake_now += absl::Seconds(1);
  progress.Add();
  progress.Finish();
  progress.Finish();
  EXPECT_EQ(Output(), "train 1/1 100 % 1.0/s in 1.0s\n");
}

TEST_F(ProgressTest, QuietPrintsNothing) {
  ProgressOptions options = Options(true);
  options.quiet = true;
  Progress progress("train", 1, 0, options);
  fake_now += absl::Seconds(10);
  progress.Add();
  progress.Finish();
  EXPECT_EQ(Output(), "");
}

TEST_F(ProgressTest, AnUnfinishedBarLeavesTheCursorOnANewLine) {
  {
    Progress progress("train", 2, 0, Options(true));
    fake_now += absl::Seconds(1);
    progress.Add();
  }
  EXPECT_THAT(Output(), EndsWith("\n"));
}

TEST_F(ProgressTest, MessageIsAboveTheBar) {
  Progress progress("train", 4, 0, Options(true));
  fake_now += absl::Seconds(1);
  progress.Add();
  progress.Message("validation: 0.7");
  progress.Add();
  progress.Message("and more");
  progress.Message("and more");
  const std::string output = Output();
  EXPECT_THAT(output, HasSubstr("\033[K\r\033[Kvalidation: 0.7\n\rtrain ["));
  EXPECT_THAT(output, EndsWith("\r\033[Kand more\nand more\n"));
}

TEST_F(ProgressTest, AMessageIsALineInALog) {
  Progress progress("train", 4, 0, Options(false));
  progress.Message("validation: 0.7");
  EXPECT_EQ(Output(), "validation: 0.7\n");
}

TEST_F(ProgressTest, ALineOfATerminalDoesNotWrap) {
  ProgressOptions options = Options(true);
  options.columns = 20;
  Progress progress("train", 4, 0, options);
  fake_now += absl::Seconds(1);
  progress.Add();
  EXPECT_EQ(Output(), "\rtrain [######......\033[K");
}

TEST_F(ProgressTest, NoEscapesOutsideATerminal) {
  Progress progress("train", 2, 0, Options(false));
  fake_now += absl::Seconds(9);
  progress.Add();
  progress.Finish();
  EXPECT_THAT(Output(), Not(HasSubstr("\033")));
}

TEST_F(ProgressTest, CountsFromSeveralThreads) {
  Progress progress("train", 4000, 0, Options(false));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&progress] {
      for (int i = 0; i < 1000; ++i) progress.Add();
    });
  }
  for (std::thread& thread : threads) thread.join();
  fake_now += absl::Seconds(4);
  progress.Finish();
  EXPECT_EQ(Output(), "train 4000/4000 100 % 1000/s in 4.0s\n");
}

TEST(HumanDurationTest, UsesTheTwoLargestUnits) {
  EXPECT_EQ(HumanDuration(absl::ZeroDuration()), "0ms");
  EXPECT_EQ(HumanDuration(absl::Milliseconds(850)), "850ms");
  EXPECT_EQ(HumanDuration(absl::Milliseconds(12300)), "12.3s");
  EXPECT_EQ(HumanDuration(absl::Milliseconds(59970)), "1m00s");
  EXPECT_EQ(HumanDuration(absl::Seconds(6 * 60 + 54)), "6m54s");
  EXPECT_EQ(HumanDuration(absl::Minutes(123)), "2h03m");
  EXPECT_EQ(HumanDuration(absl::Hours(76)), "3d04h");
}

}  // namespace
}  // namespace rcnn
