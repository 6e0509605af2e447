#include "rcnn/data/shards/shard_index.h"

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/box_check.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/orientation.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;

ShardHeader Header() {
  ShardHeader header;
  header.name = "train";
  header.fingerprint = "00112233445566778899aabbccddeeff";
  header.images = 2;
  header.classes = {{"cat", "a \"big\" dog"}, {7, 3}};
  header.shards = {{"train-00000-of-00002.tar", {4096, 4294967295u}, 1},
                   {"train-00001-of-00002.tar", {2048, 0}, 1}};
  return header;
}

ImageInfo Info(int64_t id, const std::string& name) {
  ImageInfo info;
  info.id = id;
  info.name = name;
  info.width = 64;
  info.height = 48;
  return info;
}

Object MakeOne(int64_t id, int64_t label, const std::array<double, 4>& xywh) {
  Object object = MakeObject(xywh, BoxRules());
  object.id = id;
  object.label = label;
  object.area = 0.1 + 0.2;
  return object;
}

std::vector<Object> Objects() {
  std::vector<Object> objects = {MakeOne(1, 2, {0.1, 1.0 / 3, 5, 6}),
                                 MakeOne(9, 1, {0, 0, 64, 48})};
  objects[1].crowd = true;
  objects[0].difficult = true;
  return objects;
}

std::string Whole() {
  ImageInfo turned = Info(-5, "sub/ä.jpg");
  turned.orientation = Orientation::kQuarterTurnClockwise;
  turned.exif_applied = true;
  const ClassList classes = Header().classes;
  return absl::StrCat(ShardHeaderLine(Header()),
                      ShardImageLine(Info(3, "a.jpg"), Objects(), classes, {0, 512, {900, 17}}),
                      ShardImageLine(turned, {}, classes, {1, 1148, {900, 4294967295u}}));
}

// The error of the index in which `from`, which occurs, is replaced.
absl::Status ParseChanged(const std::string& from, const std::string& to) {
  const std::string text = Whole();
  EXPECT_THAT(text, HasSubstr(from));
  return ParseShardIndex(absl::StrReplaceAll(text, {{from, to}})).status();
}

void ExpectRefused(const std::string& from, const std::string& to, const std::string& message) {
  EXPECT_THAT(ParseChanged(from, to),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
}

TEST(ShardIndexTest, WhatIsWrittenIsReadBack) {
  const absl::StatusOr<ShardIndex> index = ParseShardIndex(Whole());
  ASSERT_THAT(index, IsOk());
  EXPECT_EQ(index->header.name, "train");
  EXPECT_EQ(index->header.fingerprint, Header().fingerprint);
  EXPECT_EQ(index->header.classes, Header().classes);
  ASSERT_EQ(index->header.shards.size(), 2u);
  EXPECT_EQ(index->header.shards[0].file, "train-00000-of-00002.tar");
  EXPECT_TRUE(index->header.shards[0].digest == Header().shards[0].digest);
  ASSERT_EQ(index->table.num_images(), 2);
  EXPECT_EQ(index->table.classes, Header().classes);
  const auto objects = index->table.objects_of(0);
  EXPECT_EQ(std::vector<Object>(objects.begin(), objects.end()), Objects());
  EXPECT_TRUE(index->table.objects_of(1).empty());
  const ImageInfo& turned = index->table.images[1];
  EXPECT_EQ(turned.name, "sub/ä.jpg");
  EXPECT_EQ(turned.id, -5);
  EXPECT_EQ(turned.orientation, Orientation::kQuarterTurnClockwise);
  EXPECT_TRUE(turned.exif_applied);
  EXPECT_EQ(index->table.images[0].orientation, Orientation::kUpright);
  EXPECT_EQ(index->places[1].shard, 1);
  EXPECT_EQ(index->places[1].offset, 1148);
  EXPECT_TRUE(index->places[1].digest == (FileDigest{900, 4294967295u}));
}

TEST(ShardIndexTest, TheFilesBytesAreStable) {
  EXPECT_EQ(ShardImageLine(Info(3, "a.jpg"), {Objects()[0]}, Header().classes, {0, 512, {900, 17}}),
            "{\"id\": 3, \"file_name\": \"a.jpg\", \"width\": 64, \"height\": 48, \"objects\": "
            "[{\"id\": 1, \"category\": \"a \\\"big\\\" dog\", \"bbox\": [0.1, "
            "0.3333333333333333, 5, 6], \"area\": 0.30000000000000004, \"difficult\": 1}], "
            "\"shard\": 0, \"offset\": 512, \"size\": 900, \"crc32c\": 17}\n");
}

TEST(ShardIndexTest, TheRecordOfAShardHasNoPlace) {
  const std::string record = ShardRecord(Info(3, "a.jpg"), {}, Header().classes);
  EXPECT_EQ(
      record,
      "{\"id\": 3, \"file_name\": \"a.jpg\", \"width\": 64, \"height\": 48, \"objects\": []}");
}

TEST(ShardIndexTest, OtherFilesAreRefused) {
  for (const auto& [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"", "is empty"},
           {"\n\n", "is empty"},
           {"[]", "not an index of shards"},
           {"{\"images\": []}", "line 1: not an index of shards: \"format\" is missing"},
           {"{\"format\": \"other\"}", "not an index of shards"},
           {"{\"format\": \"rcnn shards 2\"}", "use the program that wrote them"},
           {"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"},
           {"no json", "line 1: invalid JSON"}}) {
    EXPECT_THAT(ParseShardIndex(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(message)));
  }
}

TEST(ShardIndexTest, AnIndexThatWasCutOffIsRefused) {
  const std::string text = Whole();
  const size_t second = text.find('\n', text.find('\n') + 1) + 1;
  EXPECT_THAT(ParseShardIndex(text.substr(0, second)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("has 1 image, but its first line says 2")));
  EXPECT_THAT(ParseShardIndex(text.substr(0, text.size() - 10)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("line 3: invalid JSON")));
}

TEST(ShardIndexTest, TheFirstLineIsChecked) {
  ExpectRefused("\"images\": 2,", "\"images\": 0,", "\"images\" is not a whole number >= 1");
  ExpectRefused("\"images\": 2,", "\"images\": 3,", "its first line says 3");
  ExpectRefused("\"size\": 4096, \"crc32c\": 4294967295, \"images\": 1",
                "\"size\": 4096, \"crc32c\": 4294967295, \"images\": 2",
                "has 1 image of train-00000-of-00002.tar, but its first line says 2");
  ExpectRefused("train-00001-of-00002.tar", "train-00000-of-00002.tar", "is a duplicate");
  ExpectRefused("train-00001-of-00002.tar", "../x.tar", "is not a file name without folders");
  ExpectRefused("{\"id\": 3, \"name\"", "{\"id\": 7, \"name\"", "the id 7 is a duplicate");
  ExpectRefused("\"name\": \"cat\"", "\"name\": \"\"", "line 1: ");
  ExpectRefused("\"fingerprint\": ", "\"finger\": ", "\"fingerprint\" is missing");
  ExpectRefused("4294967295, \"images\"", "4294967296, \"images\"",
                "shard 0: \"crc32c\" is not a whole number in 0..4294967295");
}

TEST(ShardIndexTest, ImagesAreChecked) {
  ExpectRefused("\"a.jpg\"", "\"../a.jpg\"", "line 2: image name: ");
  ExpectRefused("\"a.jpg\"", "\"/a.jpg\"", "is absolute");
  ExpectRefused("\"a.jpg\"", "\"\"", "is empty");
  ExpectRefused("\"a.jpg\"", "7", "line 2: \"file_name\" is not a text");
  ExpectRefused("\"a.jpg\"", "\"sub/ä.jpg\"", "is a duplicate");
  ExpectRefused("\"id\": -5", "\"id\": 3", "images: the id 3 is a duplicate");
  ExpectRefused("\"id\": -5", "\"id\": 3.5", "line 3: \"id\" is not a whole number");
  ExpectRefused("\"orientation\": 6", "\"orientation\": 9", "in 1..8");
  ExpectRefused("\"exif_applied\": 1", "\"exif_applied\": true", "\"exif_applied\"");
  ExpectRefused("\"width\": 64", "\"width\": 0", "\"width\" is not a whole number in 1..");
}

TEST(ShardIndexTest, PlacesAreChecked) {
  ExpectRefused("\"shard\": 1,", "\"shard\": 2,",
                "line 3: \"shard\" is not a whole number in 0..1");
  ExpectRefused("\"offset\": 1148", "\"offset\": 1149",
                "line 3: the 900 bytes at 1149 lie beyond the end of train-00001-of-00002.tar, "
                "which has 2048");
  ExpectRefused("\"offset\": 1148", "\"offset\": 9223372036854775807", "lie beyond the end");
  ExpectRefused("\"offset\": 1148", "\"offset\": -1", "\"offset\" is not a whole number >= 0");
  ExpectRefused("\"size\": 900, \"crc32c\": 17", "\"size\": 0, \"crc32c\": 17", "\"size\"");
}

TEST(ShardIndexTest, ObjectsAreChecked) {
  ExpectRefused("\"category\": \"cat\"", "\"category\": \"cow\"",
                "line 2: object 1: \"category\": \"cow\" is not one of the classes");
  ExpectRefused("[0, 0, 64, 48]", "[0, 0, 65, 48]", "object 1: \"bbox\" is not a box inside");
  ExpectRefused("[0, 0, 64, 48]", "[0, 0, 0, 48]", "zero size");
  ExpectRefused("[0, 0, 64, 48]", "[0, 0, 64]", "is not a list of four numbers");
  ExpectRefused("[0, 0, 64, 48]", "[0, 0, 64, \"48\"]", "is not a list of four numbers");
  ExpectRefused("\"id\": 9", "\"id\": 1", "objects: the id 1 is a duplicate");
  ExpectRefused("\"iscrowd\": 1", "\"iscrowd\": 2", "\"iscrowd\" is not a whole number in 0..1");
  ExpectRefused("\"objects\": []", "\"objects\": {}", "line 3: \"objects\" is not a list");
}

TEST(ShardIndexTest, ErrorsOfAFileBeginWithItsPath) {
  const std::string path = ::testing::TempDir() + "/bad.shards.jsonl";
  ASSERT_THAT(WriteFileAtomically(path, "{}\n"), IsOk());
  EXPECT_THAT(ReadShardIndex(path), StatusIs(absl::StatusCode::kInvalidArgument,
                                             ::testing::StartsWith(path + ": line 1")));
  ASSERT_THAT(WriteFileAtomically(path, Whole()), IsOk());
  EXPECT_THAT(ReadShardIndex(path), IsOk());
}

}  // namespace
}  // namespace rcnn::data
