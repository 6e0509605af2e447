#include "rcnn/base/safetensors_writer.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/safetensors.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

std::string TempPath(const std::string& name) {
  return absl::StrCat(::testing::TempDir(), "/", name);
}

std::vector<SafetensorsArray> Mixed() {
  return {{{"bytes", SafetensorsType::kU8, {3}}, "abc"},
          {{"wide", SafetensorsType::kF64, {1}}, "01234567"},
          {{"empty", SafetensorsType::kF64, {0, 4}}, ""},
          {{"float", SafetensorsType::kF32, {2, 1}}, "ABCDEFGH"}};
}

TEST(SafetensorsWriterTest, WritesTheFormatByteForByte) {
  const std::string path = TempPath("golden.safetensors");
  ASSERT_THAT(WriteSafetensors(path, {{{"a", SafetensorsType::kI16, {2}}, "wxyz"}}, {{"k", "v\""}}),
              IsOk());
  // 86 characters of JSON, padded to 88.
  const std::string json =
      R"({"__metadata__":{"k":"v\""},"a":{"dtype":"I16","shape":[2],"data_offsets":[0,4]}})";
  const std::string padded = json + std::string((8 - json.size() % 8) % 8, ' ');
  const std::string length = std::string(1, static_cast<char>(padded.size())) + std::string(7, 0);
  EXPECT_EQ(*ReadFile(path), length + padded + "wxyz");
}

TEST(SafetensorsWriterTest, ReadsBackWhatWasWritten) {
  const std::string path = TempPath("round.safetensors");
  const SafetensorsMetadata metadata = {{"é\n", "\x01\"\\"}, {"", ""}};
  ASSERT_THAT(WriteSafetensors(path, Mixed(), metadata), IsOk());
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->view().metadata(), metadata);
  for (const SafetensorsArray& array : Mixed()) {
    const SafetensorsArray* read = file->view().Find(array.spec.name);
    ASSERT_NE(read, nullptr);
    EXPECT_EQ(read->spec.type, array.spec.type);
    EXPECT_EQ(read->spec.shape, array.spec.shape);
    EXPECT_EQ(read->bytes, array.bytes);
  }
}

TEST(SafetensorsWriterTest, EveryArrayIsAligned) {
  const std::string path = TempPath("aligned.safetensors");
  ASSERT_THAT(WriteSafetensors(path, Mixed(), {{"some", "padding"}}), IsOk());
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  ASSERT_THAT(file, IsOk());
  for (const SafetensorsArray& array : file->view().arrays()) {
    EXPECT_EQ(
        reinterpret_cast<uintptr_t>(array.bytes.data()) % SafetensorsTypeSize(array.spec.type), 0u);
  }
}

TEST(SafetensorsWriterTest, StartsTheArraysWhereAsked) {
  const std::string path = TempPath("start.safetensors");
  // Headers of several lengths.
  for (const char* padding : {"", "1", "12345678", "a much longer one that needs another line"}) {
    absl::StatusOr<SafetensorsWriter> writer = SafetensorsWriter::Create(
        path, {{"a", SafetensorsType::kU8, {3}}}, {{"padding", padding}}, /*alignment=*/64);
    ASSERT_THAT(writer, IsOk());
    ASSERT_THAT(writer->Append("a", "xyz"), IsOk());
    ASSERT_THAT(writer->Commit(), IsOk());
    EXPECT_EQ((ReadFile(path)->size() - 3) % 64, 0u);
    const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
    ASSERT_THAT(file, IsOk());
    EXPECT_EQ(file->view().Find("a")->bytes, "xyz");
  }
}

TEST(SafetensorsWriterTest, TheOrderOfDeclarationDoesNotMatter) {
  std::vector<SafetensorsArray> arrays = Mixed();
  const absl::StatusOr<FileDigest> one = WriteSafetensors(TempPath("one"), arrays, {});
  std::reverse(arrays.begin(), arrays.end());
  const absl::StatusOr<FileDigest> other = WriteSafetensors(TempPath("other"), arrays, {});
  ASSERT_THAT(one, IsOk());
  EXPECT_THAT(other, IsOkAndHolds(*one));
}

TEST(SafetensorsWriterTest, TakesPiecesInOrder) {
  const std::string path = TempPath("pieces.safetensors");
  absl::StatusOr<SafetensorsWriter> writer = SafetensorsWriter::Create(
      path, {{"b", SafetensorsType::kU8, {5}}, {"a", SafetensorsType::kF32, {1}}}, {});
  ASSERT_THAT(writer, IsOk());
  EXPECT_THAT(writer->specs()[0].name, "a");
  EXPECT_THAT(writer->Append("b", "x"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(writer->Append("a", "01"), IsOk());
  EXPECT_THAT(writer->Append("a", "234"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(writer->Append("a", "23"), IsOk());
  EXPECT_THAT(writer->Append("b", "vwxy"), IsOk());
  EXPECT_THAT(writer->Commit(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         EndsWith("array \"b\" lacks 1 byte")));
  EXPECT_THAT(ReadFile(path), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(writer->Append("b", "z"), IsOk());
  EXPECT_THAT(writer->Append("b", "z"), StatusIs(absl::StatusCode::kFailedPrecondition));
  ASSERT_THAT(writer->Commit(), IsOk());
  const absl::StatusOr<SafetensorsFile> file = SafetensorsFile::Open(path);
  ASSERT_THAT(file, IsOk());
  EXPECT_EQ(file->view().Find("b")->bytes, "vwxyz");
}

TEST(SafetensorsWriterTest, RejectsUnreadableFiles) {
  const std::string path = TempPath("refused.safetensors");
  const auto create = [&](std::vector<SafetensorsSpec> specs, const SafetensorsMetadata& metadata) {
    return SafetensorsWriter::Create(path, std::move(specs), metadata).status();
  };
  const SafetensorsSpec a = {"a", SafetensorsType::kF32, {1}};
  EXPECT_THAT(create({a, a}, {}), StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr("duplicate array name \"a\"")));
  EXPECT_THAT(create({{"__metadata__", SafetensorsType::kU8, {}}}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("__metadata__")));
  EXPECT_THAT(create({{"\xff", SafetensorsType::kU8, {}}}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not UTF-8")));
  EXPECT_THAT(create({a}, {{"k", "\xc0"}}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not UTF-8")));
  EXPECT_THAT(create({{"a", SafetensorsType::kF32, {-1}}}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a size of -1")));
  const SafetensorsSpec huge = {"h", SafetensorsType::kU8, {int64_t{1} << 62}};
  SafetensorsSpec huge_too = huge;
  huge_too.name = "i";
  EXPECT_THAT(create({huge, huge_too}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("exceeds 2^63")));
  EXPECT_THAT(create({{"a", SafetensorsType::kF32, std::vector<int64_t>(65, 1)}}, {}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65 sizes; at most 64")));
  SafetensorsMetadata many;
  for (int i = 0; i < 10'000; ++i) many[absl::StrCat(i)] = "";
  EXPECT_THAT(create({a}, many),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("have 10000 entries")));
  EXPECT_THAT(ReadFile(path), StatusIs(absl::StatusCode::kNotFound));
}

TEST(SafetensorsWriterTest, ArrayOfTheWrongLengthIsAnError) {
  const std::string path = TempPath("length.safetensors");
  EXPECT_THAT(WriteSafetensors(path, {{{"a", SafetensorsType::kF32, {1}}, "123"}}, {}),
              ::testing::Not(IsOk()));
  EXPECT_THAT(WriteSafetensors(path, {{{"a", SafetensorsType::kF32, {1}}, "12345"}}, {}),
              ::testing::Not(IsOk()));
  EXPECT_THAT(ReadFile(path), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace rcnn
