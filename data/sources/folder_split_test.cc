#include "rcnn/data/sources/folder_split.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/shards/shard_writer.h"
#include "rcnn/data/sources/folder_leaks.h"
#include "rcnn/data/sources/open_folder.h"
#include "rcnn/data/testing/exif_file.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SplitFolderTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_THAT(CreateDirectories(folder_), IsOk());
    ASSERT_THAT(WriteFileAtomically(folder_ + "/classes.txt", "cat\ndog\n"), IsOk());
  }

  // An image of noise by `seed`, brighter by `bright`, with an object of the class.
  void Put(const std::string& name, uint32_t seed, int label = 0, int bright = 0) {
    Image image(40, 40);
    uint32_t state = seed * 2654435761u + 1;
    for (int64_t y = 0; y < 40; ++y) {
      for (int64_t x = 0; x < 40; ++x) {
        // Blocks of 5 x 5 pixels, so that an image is not only noise.
        if (x % 5 == 0 && y % 5 == 0) state = state * 1664525u + 1013904223u;
        uint32_t block = seed * 7919u + static_cast<uint32_t>(y / 5 * 8 + x / 5);
        block = (block ^ (block >> 7)) * 2654435761u;
        const int value = static_cast<int>((block >> 16) % 200) + bright;
        for (int c = 0; c < 3; ++c)
          image.data()[3 * (y * 40 + x) + c] = static_cast<uint8_t>(value);
      }
    }
    const std::string path = absl::StrCat(folder_, "/", name);
    ASSERT_THAT(CreateDirectories(fs::path(path).parent_path()), IsOk());
    const auto bytes = EncodePng(image);
    ASSERT_THAT(bytes, IsOk());
    ASSERT_THAT(WriteFileAtomically(path + ".png", *bytes), IsOk());
    ASSERT_THAT(WriteFileAtomically(path + ".txt", absl::StrCat(label, " 0.5 0.5 0.5 0.5\n")),
                IsOk());
  }

  // An image in VOC's format with an object of these corners.
  void PutVoc(const std::string& name, uint32_t seed, const std::string& corners) {
    Put(name, seed);
    fs::remove(absl::StrCat(folder_, "/", name, ".txt"));
    const std::vector<std::string> values = absl::StrSplit(corners, ' ');
    ASSERT_THAT(
        WriteFileAtomically(
            absl::StrCat(folder_, "/", name, ".xml"),
            absl::StrCat("<annotation><filename>", name, ".png</filename><size><width>40</width>",
                         "<height>40</height></size><object><name>cat</name><bndbox><xmin>",
                         values[0], "</xmin><ymin>", values[1], "</ymin><xmax>", values[2],
                         "</xmax><ymax>", values[3], "</ymax></bndbox></object></annotation>")),
        IsOk());
  }

  absl::StatusOr<FolderSplit> Split(bool records_checksums = false) {
    const auto folder = OpenFolder(folder_, {});
    if (!folder.ok()) return folder.status();
    FolderSplitOptions options;
    options.directory = root_ + "/split";
    options.records_checksums = records_checksums;
    return SplitFolder(*folder, options);
  }

  std::string List(const std::string& name) const { return absl::StrCat(root_, "/split/", name); }

  // The files of the split by their names.
  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(root_ + "/split")) {
      files[entry.path().filename()] = ReadFile(entry.path()).value();
    }
    return files;
  }

  static std::map<std::string, std::string> Sides(const FolderSplit& split) {
    std::map<std::string, std::string> sides;
    for (const OpenedPart& part : split.parts) {
      for (int64_t i = 0; i < part.images->size(); ++i) {
        sides[part.images->image(i).name] = part.name;
      }
    }
    return sides;
  }

  const std::string root_ = FreshDirectory();
  std::string folder_ = root_ + "/set";
};

// "image3.png" of a list does not mean "night/image3.png" too.
TEST_F(SplitFolderTest, ImagesOfOneNameInNestedFoldersAreOnOneSideEach) {
  for (uint32_t i = 0; i < 20; ++i) {
    Put(absl::StrCat("image", i), i);
    Put(absl::StrCat("night/image", i), 100 + i);
  }
  for (int run = 0; run < 2; ++run) {
    const auto split = Split();
    ASSERT_THAT(split, IsOk());
    EXPECT_THAT(split->leaks, IsEmpty());
    EXPECT_THAT(Sides(*split), SizeIs(40));
    EXPECT_EQ(split->FindPart("train")->images->size(), 30);
    EXPECT_EQ(split->FindPart("val")->images->size(), 4);
    EXPECT_EQ(split->FindPart("test")->images->size(), 6);
  }
}

TEST_F(SplitFolderTest, WhereAListCannotHoldANameNothingIsWritten) {
  for (uint32_t i = 0; i < 6; ++i) Put(absl::StrCat("image", i), i);
  Put("two\nlines", 99);
  EXPECT_THAT(Split(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("rename"),
                                      HasSubstr(fs::path(folder_).lexically_normal().string()))));
  EXPECT_FALSE(fs::exists(root_ + "/split"));
}

TEST_F(SplitFolderTest, CutsWhatIsMissingAndKeepsIt) {
  for (uint32_t i = 0; i < 40; ++i) Put(absl::StrCat("image", i), i, i % 8 == 0);
  const auto split = Split();
  ASSERT_THAT(split, IsOk());
  ASSERT_THAT(split->parts, SizeIs(3));
  EXPECT_EQ(split->FindPart("train")->images->size(), 30);
  EXPECT_EQ(split->FindPart("val")->images->size(), 4);
  EXPECT_EQ(split->FindPart("test")->images->size(), 6);
  EXPECT_THAT(split->leaks, IsEmpty());
  EXPECT_THAT(split->notices, Contains(HasSubstr("no part val and no part test")));
  const auto again = Split();
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(Sides(*again), Sides(*split));
  for (const char* part : {"train", "val", "test"}) {
    EXPECT_EQ(again->FindPart(part)->images->fingerprint(),
              split->FindPart(part)->images->fingerprint());
  }
}

TEST_F(SplitFolderTest, ShardsAreCutByTheirNames) {
  for (uint32_t i = 0; i < 40; ++i) Put(absl::StrCat("image", i), i, i % 8 == 0);
  const auto files = OpenFolder(folder_, {});
  ASSERT_THAT(files, IsOk());
  ShardWriteOptions options;
  options.folder = root_ + "/shards";
  options.shards = 3;
  options.progress.quiet = true;
  ASSERT_THAT(WriteShards(*files->parts[0].images, options), IsOk());
  folder_ = options.folder;
  const auto split = Split();
  ASSERT_THAT(split, IsOk());
  ASSERT_THAT(split->parts, SizeIs(3));
  int64_t images = 0;
  for (const OpenedPart& part : split->parts) {
    images += part.images->size();
    EXPECT_THAT(part.images->LoadImage(0), IsOk());
  }
  EXPECT_EQ(images, 40);
  EXPECT_THAT(split->notices, Contains(HasSubstr("40 images lie in shards, so only names show")));
}

TEST_F(SplitFolderTest, LaterImagesAreOnlyAdded) {
  for (uint32_t i = 0; i < 20; ++i) Put(absl::StrCat("image", i), i);
  const auto split = Split();
  ASSERT_THAT(split, IsOk());
  // Sorted before the others; and a copy of a test image.
  for (uint32_t i = 0; i < 20; ++i) Put(absl::StrCat("before", i), 100 + i);
  const std::string tested = split->FindPart("test")->images->image(0).name;
  fs::copy(folder_ + "/" + tested, folder_ + "/copy.png");
  const auto grown = Split();
  ASSERT_THAT(grown, IsOk());
  std::map<std::string, std::string> sides = Sides(*grown);
  for (const auto& [name, side] : Sides(*split)) EXPECT_EQ(sides[name], side) << name;
  EXPECT_EQ(sides["copy.png"], "test");
  EXPECT_THAT(sides, SizeIs(41));
  EXPECT_THAT(grown->notices, Contains(HasSubstr("21 new images were added")));
}

TEST_F(SplitFolderTest, ListsMayGrowElsewhere) {
  for (uint32_t i = 0; i < 20; ++i) Put(absl::StrCat("image", i), i);
  const auto split = Split();
  ASSERT_THAT(split, IsOk());
  const std::map<std::string, std::string> before = Files();
  for (uint32_t i = 20; i < 40; ++i) Put(absl::StrCat("image", i), i);
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  FolderSplitOptions options;
  options.directory = root_ + "/split";
  options.growth_directory = root_ + "/grown";
  const auto grown = SplitFolder(*folder, options);
  ASSERT_THAT(grown, IsOk());
  EXPECT_EQ(Files(), before);
  std::map<std::string, std::string> sides = Sides(*grown);
  EXPECT_THAT(sides, SizeIs(40));
  for (const auto& [name, side] : Sides(*split)) EXPECT_EQ(sides[name], side) << name;
  EXPECT_EQ(grown->FindPart("val")->config.paths().image_list(), root_ + "/grown/val.txt");
}

TEST_F(SplitFolderTest, KeepsOneSourceOnOneSide) {
  for (uint32_t i = 0; i < 20; ++i) {
    Put(absl::StrCat("a", i, "_png.rf.1234"), i);
    Put(absl::StrCat("a", i, "_png.rf.abcd"), 1000 + i);
    // Another name, and brighter: another file with the same look.
    Put(absl::StrCat("z", i * 7), i, 0, 30);
  }
  const auto split = Split();
  ASSERT_THAT(split, IsOk());
  std::map<std::string, std::string> sides = Sides(*split);
  for (int i = 0; i < 20; ++i) {
    const std::string side = sides[absl::StrCat("a", i, "_png.rf.1234.png")];
    EXPECT_EQ(sides[absl::StrCat("a", i, "_png.rf.abcd.png")], side);
    EXPECT_EQ(sides[absl::StrCat("z", i * 7, ".png")], side);
  }
  EXPECT_EQ(split->FindPart("test")->images->size(), 9);
}

TEST_F(SplitFolderTest, GivenPartsStayAndTheirLeaksAreTold) {
  for (uint32_t i = 0; i < 20; ++i) Put(absl::StrCat("train/a", i), i);
  for (uint32_t i = 0; i < 4; ++i) Put(absl::StrCat("val/b", i), 50 + i);
  Put("val/c", 3);
  Put("val/d", 4, 0, 20);
  const auto split = Split();
  ASSERT_THAT(split, IsOk());
  EXPECT_EQ(split->FindPart("val")->images->size(), 6);
  EXPECT_EQ(split->FindPart("test")->images->size(), 3);
  EXPECT_THAT(split->notices, Contains(HasSubstr("val selects a checkpoint, so it does not")));
  ASSERT_THAT(split->leaks, SizeIs(2));
  EXPECT_THAT(split->leaks, Contains(HasSubstr("a3.png and val/c.png: equal files")));
  EXPECT_THAT(split->leaks, Contains(HasSubstr("a4.png and val/d.png: near-equal images")));
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(FindLeaks(*folder, {}), IsOkAndHolds(SizeIs(2)));
}

// One quarter turn, whose size tells, lies on one side; half turns, which tell nothing, on all.
TEST_F(SplitFolderTest, SidesFollowTheOrientationOfTheWholeFolder) {
  fs::remove(folder_ + "/classes.txt");
  const auto wide = EncodePng(Image(24, 40));
  ASSERT_THAT(wide, IsOk());
  ASSERT_THAT(WriteFileAtomically(folder_ + "/tells.png", WithExif(*wide, OrientationTiff(6))),
              IsOk());
  std::string csv =
      "filename,width,height,class,xmin,ymin,xmax,ymax\ntells.png,24,40,cat,1,1,9,9\n";
  for (uint32_t i = 0; i < 19; ++i) {
    const std::string name = absl::StrCat("image", i);
    const std::string path = absl::StrCat(folder_, "/", name, ".png");
    Put(name, i);
    fs::remove(absl::StrCat(folder_, "/", name, ".txt"));
    const auto bytes = ReadFile(path);
    ASSERT_THAT(bytes, IsOk());
    ASSERT_THAT(WriteFileAtomically(path, WithExif(*bytes, OrientationTiff(3))), IsOk());
    absl::StrAppend(&csv, name, ".png,40,40,cat,1,1,9,9\n");
  }
  ASSERT_THAT(WriteFileAtomically(folder_ + "/boxes.csv", csv), IsOk());
  const auto split = Split();
  ASSERT_THAT(split, IsOk());
  int64_t images = 0;
  for (const OpenedPart& part : split->parts) {
    images += part.images->size();
    for (int64_t i = 0; i < part.images->size(); ++i) {
      EXPECT_TRUE(part.images->image(i).exif_applied) << part.name << " " << i;
    }
  }
  EXPECT_EQ(images, 20);
}

// Such as a download of only one part.
TEST_F(SplitFolderTest, ASinglePartIsSplitWhateverItsName) {
  for (const char* part : {"valid", "test"}) {
    fs::remove_all(root_ + "/split");
    fs::remove_all(folder_ + "/valid");
    for (uint32_t i = 0; i < 20; ++i) Put(absl::StrCat(part, "/a", i), i);
    const auto split = Split();
    ASSERT_THAT(split, IsOk());
    EXPECT_EQ(split->FindPart("train")->images->size(), 15) << part;
    EXPECT_EQ(split->FindPart("val")->images->size(), 2) << part;
    EXPECT_EQ(split->FindPart("test")->images->size(), 3) << part;
    EXPECT_THAT(split->notices,
                Contains(HasSubstr(absl::StrCat("has only a part ",
                                                part == std::string("test") ? "test" : "val"))));
  }
}

// Copies on two sides, as an edited list leaves them; a third copy belongs to both.
TEST_F(SplitFolderTest, ANewImageOfBothSidesGoesToTrainingAndIsTold) {
  for (uint32_t i = 0; i < 20; ++i) Put(absl::StrCat("image", i), i);
  const auto split = Split();
  ASSERT_THAT(split, IsOk());
  const std::string tested = split->FindPart("test")->images->image(0).name;
  const std::string trained = split->FindPart("train")->images->image(0).name;
  fs::copy(folder_ + "/" + tested, folder_ + "/" + trained, fs::copy_options::overwrite_existing);
  fs::copy(folder_ + "/" + tested, folder_ + "/new.png");
  const auto grown = Split();
  ASSERT_THAT(grown, IsOk());
  std::map<std::string, std::string> sides = Sides(*grown);
  EXPECT_EQ(sides["new.png"], "train");
  EXPECT_EQ(sides[tested], "test");
  EXPECT_EQ(sides[trained], "train");
  EXPECT_THAT(grown->notices, Contains(HasSubstr("new.png shares its source with images on")));
  EXPECT_THAT(grown->leaks, Contains(HasSubstr("equal files")));
}

// By the part that has its image, or by the split if none has.
TEST_F(SplitFolderTest, EachDefectIsToldOnce) {
  fs::remove(folder_ + "/classes.txt");
  for (uint32_t i = 0; i < 40; ++i) {
    PutVoc(absl::StrCat("image", i), i, i % 10 == 0 ? "5 5 5 9" : "5 5 20 20");
  }
  fs::remove(folder_ + "/image7.png");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_EQ(folder->parts[0].images->defects().total(), 5);
  const auto split = Split();
  ASSERT_THAT(split, IsOk());
  std::string told = split->defects.ToString(9);
  EXPECT_EQ(split->defects.total(), 1);
  EXPECT_THAT(told, HasSubstr("image7.xml: missing image"));
  EXPECT_THAT(split->notices, Contains(HasSubstr("1 defect of images that are in no part: ")));
  int64_t total = split->defects.total();
  for (const OpenedPart& part : split->parts) {
    total += part.images->defects().total();
    absl::StrAppend(&told, part.images->defects().ToString(9));
  }
  EXPECT_EQ(total, 5);
  for (const char* name : {"image0.xml", "image10.xml", "image20.xml", "image30.xml"}) {
    EXPECT_THAT(told, HasSubstr(name));
  }
}

TEST_F(SplitFolderTest, ErrorsSayWhatToDo) {
  Put("a", 1);
  Put("b", 2);
  EXPECT_THAT(Split(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("too few"), HasSubstr("; add images"))));
  Put("c", 3);
  ASSERT_THAT(Split(), IsOk());
  fs::rename(folder_, root_ + "/other");
  folder_ = root_ + "/other";
  EXPECT_THAT(Split(), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("--run_dir")));
  fs::rename(folder_, root_ + "/set");
  folder_ = root_ + "/set";
  ASSERT_THAT(WriteFileAtomically(root_ + "/split/val.txt", "a.png\nb.png\nc.png\n"), IsOk());
  fs::remove(List("checksums.txt"));
  EXPECT_THAT(Split(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("which another list names too; remove it from one of them")));
}

TEST_F(SplitFolderTest, ListsWithoutChecksumsAreUsedAndGetThem) {
  for (uint32_t i = 0; i < 12; ++i) Put(absl::StrCat("image", i), i);
  ASSERT_THAT(Split(), IsOk());
  const std::map<std::string, std::string> whole = Files();
  fs::remove(List("checksums.txt"));
  ASSERT_THAT(Split(), IsOk());
  EXPECT_FALSE(fs::exists(List("checksums.txt")));
  ASSERT_THAT(Split(/*records_checksums=*/true), IsOk());
  EXPECT_EQ(Files(), whole);
}

// Reading the images takes long.
TEST_F(SplitFolderTest, ErrorsOfListsComeBeforeTheImagesAreRead) {
  for (uint32_t i = 0; i < 12; ++i) Put(absl::StrCat("image", i), i);
  ASSERT_THAT(Split(), IsOk());
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  int hashed = 0;
  FolderSplitOptions options;
  options.directory = root_ + "/split";
  options.hashes.progress = [&] { ++hashed; };
  ASSERT_THAT(WriteFileAtomically(List("test.txt"), ""), IsOk());
  EXPECT_THAT(SplitFolder(*folder, options),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("/split/test.txt: is damaged")));
  options.directory = folder_ + "/classes.txt";
  EXPECT_THAT(SplitFolder(*folder, options),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("/classes.txt: is not a directory, so")));
  EXPECT_EQ(hashed, 0);
  options.directory = root_ + "/other";
  EXPECT_THAT(SplitFolder(*folder, options), IsOk());
  EXPECT_EQ(hashed, 12);
}

TEST_F(SplitFolderTest, AFolderWithoutImagesToTrainOnIsAnError) {
  Put("valid/a", 1);
  Put("test/b", 2);
  EXPECT_THAT(Split(), StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("none to train on; call one train, or add it")));
}

}  // namespace
}  // namespace rcnn::data
