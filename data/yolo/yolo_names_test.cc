#include "rcnn/data/yolo/yolo_names.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/peak_memory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/testing/utf16.h"

namespace rcnn::data {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(ParseYoloYaml, ReadsWhatRoboflowWrites) {
  const auto yaml = ParseYoloYaml(
      "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\n"
      "names: ['RBC', 'WBC']\n\nroboflow:\n  workspace: w\n  version: 4\n");
  ASSERT_THAT(yaml, IsOk());
  EXPECT_THAT(yaml->names, ElementsAre("RBC", "WBC"));
  EXPECT_THAT(yaml->parts, ElementsAre(Pair("test", ElementsAre("../test/images")),
                                       Pair("train", ElementsAre("../train/images")),
                                       Pair("val", ElementsAre("../valid/images"))));
  EXPECT_FALSE(yaml->keypoints);
}

TEST(ParseYoloYaml, ReadsWhatUltralyticsWrites) {
  const auto yaml = ParseYoloYaml(
      "path: ../datasets/coco8-pose # root\ntrain:\n  - images/a\n  - images/b\nval: val.txt\n"
      "test: # none\nkpt_shape: [17, 3]\nnames:\n  0: person\n  2: dog\n");
  ASSERT_THAT(yaml, IsOk());
  EXPECT_EQ(yaml->path, "../datasets/coco8-pose");
  EXPECT_THAT(yaml->names, ElementsAre("person", "1", "dog"));
  EXPECT_THAT(yaml->parts, ElementsAre(Pair("train", ElementsAre("images/a", "images/b")),
                                       Pair("val", ElementsAre("val.txt"))));
  EXPECT_TRUE(yaml->keypoints);
}

TEST(ParseYoloYaml, ErrorsNameThePlaceOrTheValue) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(ParseYoloYaml("names: [a\nb: c"), StatusIs(code, HasSubstr("line ")));
  EXPECT_THAT(ParseYoloYaml("train: a"), StatusIs(code, HasSubstr("names")));
  EXPECT_THAT(ParseYoloYaml("names: cat"), StatusIs(code, HasSubstr("as in names: [cat]")));
  EXPECT_THAT(ParseYoloYaml("names: {cat: 0}"), StatusIs(code, HasSubstr("\"cat\"")));
  EXPECT_THAT(ParseYoloYaml("names: {1000000000: a}"), StatusIs(code, HasSubstr("1000000000")));
  EXPECT_THAT(ParseYoloYaml("nc: 3\nnames: [a]"), StatusIs(code, HasSubstr("nc is 3")));
  EXPECT_THAT(ParseYoloYaml("- a"), StatusIs(code, HasSubstr("map")));
  EXPECT_THAT(ParseYoloYaml(""), StatusIs(code, HasSubstr("map")));
}

// One of the two would be lost without a word, and another one than in the program that trained.
TEST(ParseYoloYaml, NothingIsGivenTwice) {
  const auto code = absl::StatusCode::kInvalidArgument;
  for (const char* names :
       {"{0: cat, 1: dog, 0: cow}", "{0: cat, 00: dog}", "{1: cat, '1': dog}"}) {
    EXPECT_THAT(ParseYoloYaml(absl::StrCat("names: ", names)),
                StatusIs(code, HasSubstr("names: two names for the class ")))
        << names;
  }
  EXPECT_THAT(ParseYoloYaml("names: [a]\nnames: [b, c]\n"),
              StatusIs(code, HasSubstr("\"names\" is given 2 times")));
  EXPECT_THAT(ParseYoloYaml("names: [a]\ntrain: x\nval: y\ntrain: z\n"),
              StatusIs(code, HasSubstr("\"train\" is given 2 times")));
  EXPECT_THAT(ParseYoloYaml("names: [a]\ntrain: x\nval: x\nnote: 1\nnote: 2\n"), IsOk());
}

TEST(ParseYoloYaml, EachClassHasAName) {
  for (const char* names : {"[cat, ~]", "[cat, '']", "[cat, [dog]]", "{0: cat, 1: }"}) {
    EXPECT_THAT(
        ParseYoloYaml(absl::StrCat("names: ", names)),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("names: the class 1 has no name")))
        << names;
  }
}

// A few bytes may not stand for many megabytes.
TEST(ParseYoloYaml, MemoryIsBoundedByTheSizeOfTheFile) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(ParseYoloYaml("names: {999999: a}"),
              StatusIs(code, HasSubstr("999999 is too large for 1 name")));
  EXPECT_THAT(ParseYoloYaml("names: {1000: a}"), IsOk());
  const std::string text(1000, 'x');
  const std::string anchor = absl::StrCat("path: &long ", text, "\n");
  const std::string aliases = "*long, *long, *long, *long, *long, *long, *long, *long";
  for (const std::string& uses :
       {absl::StrCat("names: [", aliases, "]\n"),
        absl::StrCat("names: [a]\ntrain: [", aliases, "]\n"),
        std::string("names: {0: *long, 1: *long, 2: *long, 3: *long, 4: *long}\n")}) {
    EXPECT_THAT(ParseYoloYaml(absl::StrCat(anchor, uses)), StatusIs(code, HasSubstr("aliases")))
        << uses;
  }
  EXPECT_THAT(ParseYoloYaml(absl::StrCat("names: [a]\n#", std::string(4 << 20, 'x'))),
              StatusIs(code, HasSubstr("more than the limit of 4194304")));
  const auto few = ParseYoloYaml(absl::StrCat(anchor, "names: [a]\ntrain: *long\nval: *long\n"));
  ASSERT_THAT(few, IsOk());
  EXPECT_THAT(few->parts,
              ElementsAre(Pair("train", ElementsAre(text)), Pair("val", ElementsAre(text))));
}

// "a,a,...,a"
std::string Repeated(const std::string& item, int64_t count) {
  std::string text = item;
  for (int64_t i = 1; i < count; ++i) absl::StrAppend(&text, ",", item);
  return text;
}

TEST(ParseYoloYaml, MemoryOfValuesIsBoundedByTheSizeOfTheFile) {
  const auto names = [](int64_t count) {
    return absl::StrCat("names: [", Repeated("a", count), "]");
  };
  // A colon, the brackets, and the commas.
  const auto allows = [&](int64_t count) { return count + 2 <= 65'536 + (2 * count + 8) / 128; };
  ASSERT_EQ(names(1000).size(), 2008u);
  int64_t most = 1;
  while (allows(most + 1)) ++most;
  const auto yaml = ParseYoloYaml(names(most));
  ASSERT_THAT(yaml, IsOk());
  EXPECT_EQ(yaml->names.size(), static_cast<size_t>(most));
  EXPECT_THAT(ParseYoloYaml(names(most + 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too many values for YAML")));
  // Quoted names, as Windows' editors save them: four characters of each count.
  std::string windows = "names:\r\n";
  for (int i = 0; i < 16'000; ++i) absl::StrAppend(&windows, "- 'name ", i, "'\r\n");
  const auto saved = ParseYoloYaml(windows);
  ASSERT_THAT(saved, IsOk());
  EXPECT_EQ(saved->names.size(), 16'000u);
  if (!kMeasuresMemory) GTEST_SKIP() << "sanitizers need memory of their own";
  constexpr int64_t kMany = 2'000'000;
  const std::string many = Repeated("a", kMany), few = Repeated("a", most - 1);
  std::string lines, texts = "[";
  for (int64_t i = 0; i < kMany / 2; ++i) {
    lines += "- a\n";
    texts += "\"\" ";
  }
  for (const std::string& text :
       {names(most), names(kMany), "[" + few + "]", "[" + many + "]", "{" + few + "}",
        "{" + many + "}", "names: {" + many + "}", lines, texts}) {
    const int64_t peak = MeasurePeakBytes([&] { ParseYoloYaml(text).status().IgnoreError(); });
    EXPECT_GE(peak, 0);
    EXPECT_LE(peak, 16 * static_cast<int64_t>(text.size()) + (96 << 20)) << text.substr(0, 60);
  }
}

// As Windows' editors save it.
TEST(ReadYoloNameList, ReadsUtf16) {
  const std::string path = testing::TempDir() + "/classes.txt";
  ASSERT_THAT(WriteFileAtomically(path, Utf16("cat\r\ndog\r\n")), IsOk());
  EXPECT_THAT(ReadYoloNameList(path), IsOkAndHolds(ElementsAre("cat", "dog")));
}

TEST(ReadYoloNames, PrefersTheYaml) {
  const std::string folder = testing::TempDir() + "/names";
  ASSERT_THAT(CreateDirectories(folder), IsOk());
  EXPECT_THAT(ReadYoloNames(folder),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("classes.txt")));
  ASSERT_THAT(WriteFileAtomically(folder + "/obj.names", "c\r\nd\r\n\r\n"), IsOk());
  EXPECT_THAT(ReadYoloNames(folder), IsOkAndHolds(ElementsAre("c", "d")));
  ASSERT_THAT(WriteFileAtomically(folder + "/set.yaml", "names: [a, b]"), IsOk());
  EXPECT_THAT(ReadYoloNames(folder), IsOkAndHolds(ElementsAre("a", "b")));
  ASSERT_THAT(WriteFileAtomically(folder + "/data.yaml", "names: [a, b"), IsOk());
  EXPECT_THAT(ReadYoloNames(folder),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("data.yaml")));
}

// Otherwise the names of another tool would make another dataset. No user can read a link to
// itself.
TEST(ReadYoloNames, AFileThatCannotBeReadNowIsNotSkipped) {
  const std::string folder = testing::TempDir() + "/unreadable";
  ASSERT_THAT(CreateDirectories(folder), IsOk());
  ASSERT_THAT(WriteFileAtomically(folder + "/obj.names", "c\nd\n"), IsOk());
  std::filesystem::create_symlink("set.yaml", folder + "/set.yaml");
  EXPECT_THAT(ReadYoloNames(folder),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("set.yaml")));
}

}  // namespace
}  // namespace rcnn::data
