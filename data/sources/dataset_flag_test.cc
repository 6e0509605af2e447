#include "rcnn/data/sources/dataset_flag.h"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/stored_file.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/sources/open_folder.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

std::string Parsed(const std::string& flag) {
  absl::StatusOr<configs::DatasetConfig> config = ParseDatasetFlag(flag);
  return config.ok() ? config->ShortDebugString() : std::string(config.status().message());
}

TEST(ParseDatasetFlag, ReadsTheShortForms) {
  EXPECT_EQ(Parsed("voc:devkit/VOC2007"), "voc { } paths { folder: \"devkit/VOC2007\" }");
  EXPECT_EQ(Parsed("voc:/a:test"), "voc { split: \"test\" } paths { folder: \"/a\" }");
  EXPECT_EQ(Parsed("coco:a.json"), "coco { } paths { annotations: \"a.json\" }");
  EXPECT_EQ(Parsed("coco:a.json:b"), "coco { } paths { annotations: \"a.json\" images: \"b\" }");
  EXPECT_EQ(Parsed("shapes"), "shapes { }");
  EXPECT_EQ(Parsed("shapes:seed=7,difficulty=0.25"), "shapes { seed: 7 difficulty: 0.25 }");
}

TEST(ParseDatasetFlag, TakesAJsonFile) {
  EXPECT_EQ(Parsed("a.json"), "coco { } paths { annotations: \"a.json\" }");
}

TEST(ParseDatasetFlag, TakesAnIndexOfShards) {
  EXPECT_EQ(Parsed("sub/a.shards.jsonl"),
            "paths { annotations: \"sub/a.shards.jsonl\" } shards { }");
}

constexpr char kFolders[] = "data/sources/testdata/folders/";

TEST(ParseDatasetFlag, RecognisesAFolder) {
  const std::string yolo = std::string(kFolders) + "yolo_roboflow";
  EXPECT_THAT(Parsed(yolo), AllOf(HasSubstr("concat"), HasSubstr("/yolo_roboflow/train/images"),
                                  HasSubstr("/yolo_roboflow/test/images")));
  EXPECT_THAT(Parsed("yolo:" + yolo + ":test"),
              AllOf(HasSubstr("yolo { name: \"cat\" name: \"dog\" }"),
                    Not(HasSubstr("/yolo_roboflow/train/images"))));
  EXPECT_THAT(Parsed("yolo:" + yolo + ":val"), HasSubstr("no part val; leave it out"));
  EXPECT_THAT(Parsed("coco:" + yolo), HasSubstr("no annotations that can be read"));
  EXPECT_THAT(Parsed("csv:nowhere"), HasSubstr("no such folder"));
  EXPECT_THAT(Parsed("csv:"), HasSubstr("csv:FOLDER[:PART]"));
  EXPECT_THAT(Parsed("shards:nowhere"), HasSubstr("no such folder"));
}

TEST(ParseDatasetFlag, AllOfAVocFolderIsEveryAnnotation) {
  const std::string voc = std::string(kFolders) + "voc_devkit";
  EXPECT_THAT(Parsed(voc),
              AllOf(HasSubstr("voc { coordinates: RECOGNISED }"), Not(HasSubstr("concat"))));
  EXPECT_EQ(Parsed("voc:" + voc + ":test"),
            "voc { split: \"test\" } paths { folder: \"" + voc + "\" }");
}

TEST(ParseDatasetFlag, OnlyAFolderTakesItsOptions) {
  for (const char* flag : {"shapes", "voc:a:test", "a.json"}) {
    EXPECT_THAT(ParseDatasetFlag(flag, {.exif_orientation = "applied"}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(StartsWith("--exif_orientation applies only to a folder"),
                               HasSubstr("write the field exif_orientation into a file"))));
    EXPECT_THAT(ParseDatasetFlag(flag, {.box_units = "pixels"}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--box_units applies")));
  }
  EXPECT_THAT(OpenDatasetFlag("shapes", {}, {.exif_orientation = "applied"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("--exif_orientation")));
  EXPECT_THAT(ParseDatasetFlag("csv:nowhere", {.box_units = "pixels"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no such folder")));
}

// A link to itself can be examined as little as a folder on a disk with errors. Without its folder
// Annotations the first would be read by another reader.
TEST(FolderOfDatasetFlag, WhatCannotBeExaminedNowIsNotMissing) {
  const std::string folder = testing::TempDir() + "/folder_of_flag";
  ASSERT_THAT(RemovePath(folder), IsOk());
  ASSERT_THAT(CreateDirectories(folder + "/JPEGImages"), IsOk());
  std::filesystem::create_symlink("Annotations", folder + "/Annotations");
  std::filesystem::create_symlink("loop", folder + "/loop");
  const std::map<std::string, std::string> flags = {{"voc:" + folder + ":test", "/Annotations"},
                                                    {"yolo:" + folder + "/loop", "/loop"},
                                                    {folder + "/loop", "/loop"}};
  for (const auto& [flag, path] : flags) {
    const auto is_named =
        StatusIs(absl::StatusCode::kUnavailable, HasSubstr(folder + path + ": Too many levels"));
    EXPECT_THAT(FolderOfDatasetFlag(flag), is_named) << flag;
    EXPECT_THAT(ParseDatasetFlag(flag), is_named) << flag;
    EXPECT_THAT(OpenDatasetFlag(flag, {}), is_named) << flag;
  }
}

TEST(OpenDatasetFlag, CutsAPartThatTheFolderDoesNotHave) {
  setenv("XDG_CACHE_HOME", testing::TempDir().c_str(), 1);
  const std::string yolo = std::string(kFolders) + "yolo_roboflow";
  const auto val = OpenDatasetFlag(yolo, {}, {.part = "val"});
  ASSERT_THAT(val, IsOk());
  EXPECT_EQ((*val)->size(), 1);
  const auto all = OpenDatasetFlag(yolo, {}, {.part = "all"});
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ((*all)->size(), 4);
  EXPECT_THAT(OpenDatasetFlag(yolo, {}, {.part = "valid"}).status().ToString(),
              HasSubstr("train, val, test, all"));
}

// A scheduler may work with them.
TEST(OpenDatasetFlag, TheListsOfARunAreNotChanged) {
  setenv("XDG_CACHE_HOME", testing::TempDir().c_str(), 1);
  const std::string yolo = std::string(kFolders) + "yolo_roboflow";
  const std::string lists = testing::TempDir() + "/lists_of_a_run";
  ASSERT_THAT(RemovePath(lists), IsOk());
  ASSERT_THAT(OpenDatasetFlag(yolo, {}, {.part = "val", .split_directory = lists}), IsOk());
  // The second of two images is new then.
  const std::string train = ReadFile(lists + "/train.txt").value();
  const std::string shorter = train.substr(0, train.find('\n') + 1);
  ASSERT_NE(shorter, train);
  ASSERT_THAT(WriteFileAtomically(lists + "/train.txt", shorter), IsOk());
  ASSERT_THAT(RemovePath(lists + "/checksums.txt"), IsOk());
  const auto val = OpenDatasetFlag(yolo, {}, {.part = "val", .split_directory = lists});
  ASSERT_THAT(val, IsOk());
  EXPECT_EQ((*val)->size(), 1);
  EXPECT_THAT(ReadFile(lists + "/train.txt"), IsOkAndHolds(shorter));
  EXPECT_THAT(PathExists(lists + "/checksums.txt"), IsOkAndHolds(false));
}

TEST(OpenPartOfFolder, TakesWhatTheFolderHasOpened) {
  setenv("XDG_CACHE_HOME", testing::TempDir().c_str(), 1);
  const std::string yolo = std::string(kFolders) + "yolo_roboflow";
  const auto folder = OpenFolder(yolo, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(OpenPartOfFolder("yolo:" + yolo + ":test", *folder),
              IsOkAndHolds(folder->FindPart("test")->images));
  const auto all = OpenPartOfFolder(yolo, *folder);
  ASSERT_THAT(all, IsOk());
  EXPECT_EQ((*all)->size(), 4);
  const auto val = OpenPartOfFolder(yolo, *folder, {.part = "val"});
  ASSERT_THAT(val, IsOk());
  EXPECT_EQ((*val)->size(), 1);
  const auto single = OpenFolder(std::string(kFolders) + "yolo_beside", {});
  ASSERT_THAT(single, IsOk());
  EXPECT_THAT(OpenPartOfFolder("yolo_beside", *single), IsOkAndHolds(single->parts.front().images));
}

TEST(ParseDatasetFlag, ReadsAFile) {
  const std::string path = testing::TempDir() + "/set.textproto";
  ASSERT_THAT(WriteFileAtomically(path, "# a comment\nvoc { split: 'val' }\nclasses: 'cat'"),
              IsOk());
  EXPECT_EQ(Parsed(path), "voc { split: \"val\" } classes: \"cat\"");
}

TEST(ParseDatasetFlag, ErrorsNameThePlace) {
  const std::string path = testing::TempDir() + "/bad.textproto";
  ASSERT_THAT(WriteFileAtomically(path, "voc {\n  splt: 'val'\n}"), IsOk());
  EXPECT_THAT(Parsed(path), HasSubstr("bad.textproto:2:3"));
  EXPECT_THAT(Parsed(path), HasSubstr("splt"));
  EXPECT_THAT(Parsed("shapes:sed=7"), HasSubstr("sed"));
  EXPECT_THAT(Parsed("voc:a:b:c"), HasSubstr("voc:FOLDER[:SPLIT]"));
  EXPECT_THAT(Parsed("coco"), HasSubstr("coco:INSTANCES.json[:IMAGES]"));
  EXPECT_THAT(Parsed("coco:"), HasSubstr("coco:INSTANCES.json[:IMAGES]"));
  EXPECT_THAT(Parsed("shapes:a:b"), HasSubstr("not of the form"));
  EXPECT_THAT(Parsed(""), HasSubstr("no dataset given"));
}

TEST(ParseDatasetFlag, ColumnsInErrorsAreThoseOfTheFlag) {
  EXPECT_THAT(Parsed("shapes:sed=7"), HasSubstr("shapes:1:8: "));
  EXPECT_THAT(Parsed("shapes:seed=7,num_images=x"), HasSubstr("shapes:1:26: "));
}

TEST(ParseDatasetFlag, UnknownNameListsAllForms) {
  // The last ones are longer than a file's name and than a path may be.
  for (const std::string& flag :
       {std::string("nowhere"), std::string("nowhere.textproto"), std::string("VOC:devkit"),
        std::string(256, 'x'), std::string(5000, 'x')}) {
    EXPECT_THAT(ParseDatasetFlag(flag), StatusIs(absl::StatusCode::kNotFound));
    EXPECT_THAT(Parsed(flag), AllOf(HasSubstr("voc:FOLDER[:SPLIT]"), HasSubstr("coco:INSTANCES"),
                                    HasSubstr("as in voc:VOCdevkit/VOC2007:test")));
  }
}

TEST(OpenDatasetFlag, OpensShapes) {
  const auto dataset = OpenDatasetFlag("shapes:num_images=3", {});
  ASSERT_THAT(dataset, IsOk());
  EXPECT_EQ((*dataset)->size(), 3);
}

TEST(OpenDatasetFlag, ErrorsNameTheFlagAndItsValue) {
  const std::pair<std::string, absl::StatusCode> cases[] = {
      {"nowhere", absl::StatusCode::kNotFound},
      {"voc:nowhere", absl::StatusCode::kNotFound},
      {"nowhere.json", absl::StatusCode::kNotFound},
      {"shapes:num_images=0", absl::StatusCode::kInvalidArgument}};
  for (const auto& [flag, code] : cases) {
    EXPECT_THAT(OpenDatasetFlag(flag, {}), StatusIs(code, StartsWith("--dataset=" + flag + ": ")));
  }
}

}  // namespace
}  // namespace rcnn::data
