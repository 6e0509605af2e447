#include "rcnn/data/shards/shard_writer.h"

#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/temporary_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/file_dataset.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/image/orientation.h"
#include "rcnn/data/shapes/shapes_dataset.h"
#include "rcnn/data/shards/shard_dataset.h"
#include "rcnn/data/testing/exif_file.h"
#include "rcnn/data/testing/file_images.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MakeFileImages;
using ::testing::UnorderedElementsAre;

class ShardWriterTest : public ::testing::Test {
 protected:
  std::string In(const std::string& name) const {
    return absl::StrCat(directory_.path(), "/", name);
  }

  ShardWriteOptions Options(const std::string& folder, int64_t shards) const {
    ShardWriteOptions options;
    options.folder = In(folder);
    options.shards = shards;
    options.progress.quiet = true;
    return options;
  }

  absl::StatusOr<std::unique_ptr<Dataset>> Open(const std::string& folder) const {
    return OpenShards({}, {.index = ShardIndexPath(In(folder), "train"), .folder = In(folder)});
  }

  std::vector<std::string> ListNames(const std::string& folder) const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(In(folder))) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  const TemporaryDirectory directory_{"shard_writer_test"};
};

void ExpectEqualImages(const Dataset& a, const Dataset& b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(a.classes(), b.classes());
  for (int64_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a.image(i).name, b.image(i).name);
    EXPECT_EQ(a.image(i).id, b.image(i).id);
    EXPECT_EQ(a.objects(i), b.objects(i)) << i;
    const auto first = a.LoadImage(i);
    const auto second = b.LoadImage(i);
    ASSERT_THAT(first, IsOk());
    ASSERT_THAT(second, IsOk());
    ASSERT_EQ((*first)->size_bytes(), (*second)->size_bytes());
    EXPECT_TRUE(
        std::equal((*first)->data(), (*first)->data() + (*first)->size_bytes(), (*second)->data()));
  }
}

TEST_F(ShardWriterTest, TheDatasetIsReadBack) {
  const auto source = MakeFileImages(In("images"), 11);
  for (const int64_t shards : {1, 3, 11}) {
    const std::string folder = absl::StrCat("out", shards);
    ASSERT_THAT(WriteShards(*source, Options(folder, shards)), IsOk());
    const auto read = Open(folder);
    ASSERT_THAT(read, IsOk());
    ExpectEqualImages(*source, **read);
    EXPECT_EQ((*read)->fingerprint(), source->fingerprint());
    for (int64_t i = 0; i < source->size(); ++i) {
      EXPECT_EQ(*(*read)->ReadImageBytes(i), *source->ReadImageBytes(i)) << i;
    }
  }
}

TEST_F(ShardWriterTest, ThereAreShardsAndAnIndexAndNothingElse) {
  ASSERT_THAT(WriteShards(*MakeFileImages(In("images"), 4), Options("out", 2)), IsOk());
  EXPECT_THAT(ListNames("out"),
              UnorderedElementsAre("train-00000-of-00002.tar", "train-00001-of-00002.tar",
                                   "train.shards.jsonl"));
}

TEST_F(ShardWriterTest, EqualDatasetsGiveEqualBytes) {
  const auto source = MakeFileImages(In("images"), 7);
  ASSERT_THAT(WriteShards(*source, Options("a", 2)), IsOk());
  ASSERT_THAT(WriteShards(*source, Options("b", 2)), IsOk());
  for (const std::string& name : ListNames("a")) {
    const auto other = ReadFile(In("b/" + name));
    ASSERT_THAT(other, IsOk());
    EXPECT_EQ(*ReadFile(In("a/" + name)), *other) << name;
  }
}

TEST_F(ShardWriterTest, ShardsOfShardsAreEqual) {
  const auto source = MakeFileImages(In("images"), 7);
  ASSERT_THAT(WriteShards(*source, Options("a", 2)), IsOk());
  const auto first = Open("a");
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(WriteShards(**first, Options("b", 3)), IsOk());
  const auto second = Open("b");
  ASSERT_THAT(second, IsOk());
  ExpectEqualImages(*source, **second);
  EXPECT_EQ((*second)->fingerprint(), source->fingerprint());
}

TEST_F(ShardWriterTest, GeneratedImagesAreWrittenLosslessly) {
  configs::ShapesConfig config;
  config.set_num_images(4);
  config.set_width_px(48);
  config.set_height_px(40);
  config.set_max_diameter_px(30);
  const auto shapes = ShapesDataset::Create(config);
  ASSERT_THAT(shapes, IsOk());
  ASSERT_THAT(WriteShards(**shapes, Options("out", 2)), IsOk());
  const auto read = Open("out");
  ASSERT_THAT(read, IsOk());
  ExpectEqualImages(**shapes, **read);
}

TEST_F(ShardWriterTest, ATurnedImageIsTurnedWhenItIsReadBack) {
  AnnotationTable table = testing::WriteFileImages(In("images"), 2);
  const std::string upright = *ReadFile(table.images[1].path);
  ASSERT_THAT(WriteFileAtomically(table.images[1].path, WithExif(upright, OrientationTiff(6))),
              IsOk());
  std::swap(table.images[1].width, table.images[1].height);
  table.images[1].exif_applied = true;
  const FileDataset source(table, DecodeOptions());
  ASSERT_THAT(WriteShards(source, Options("out", 1)), IsOk());
  const auto read = Open("out");
  ASSERT_THAT(read, IsOk());
  EXPECT_EQ((*read)->image(1).orientation, Orientation::kQuarterTurnClockwise);
  EXPECT_EQ((*read)->fingerprint(), source.fingerprint());
  ExpectEqualImages(source, **read);
}

TEST_F(ShardWriterTest, AStoppedCallResumesAndGivesTheSameBytes) {
  const auto source = MakeFileImages(In("images"), 9);
  ASSERT_THAT(WriteShards(*source, Options("whole", 3)), IsOk());
  for (int allowed = 0; allowed < 9; ++allowed) {
    const std::string folder = absl::StrCat("stopped", allowed);
    ShardWriteOptions options = Options(folder, 3);
    int left = allowed;
    options.stop = [&] { return left-- <= 0; };
    EXPECT_THAT(WriteShards(*source, options),
                StatusIs(absl::StatusCode::kCancelled,
                         HasSubstr(absl::StrCat(allowed / 3, " of 3 shards ",
                                                allowed / 3 == 1 ? "is" : "are",
                                                " complete, and the same"))));
    EXPECT_FALSE(fs::exists(ShardIndexPath(In(folder), "train")));
    int written = 0;
    options.stop = [&] { return ++written < 0; };
    ASSERT_THAT(WriteShards(*source, options), IsOk());
    EXPECT_EQ(written, 9 - allowed / 3 * 3);
    for (const std::string& name : ListNames("whole")) {
      EXPECT_EQ(*ReadFile(In("whole/" + name)), *ReadFile(In(folder + "/" + name))) << name;
    }
  }
}

absl::Time fake_now = absl::UnixEpoch();
absl::Time FakeNow() { return fake_now; }

// Six of nine images are in shards of the first call; each of the others takes 10 s.
TEST_F(ShardWriterTest, TheSpeedAfterAResumeIsThatOfTheImagesThatAreWritten) {
  const auto source = MakeFileImages(In("images"), 9);
  ShardWriteOptions options = Options("out", 3);
  int left = 6;
  options.stop = [&] { return left-- <= 0; };
  EXPECT_THAT(WriteShards(*source, options), StatusIs(absl::StatusCode::kCancelled));
  options.stop = [] {
    fake_now += absl::Seconds(10);
    return false;
  };
  options.progress.quiet = false;
  options.progress.is_terminal = false;
  options.progress.now = &FakeNow;
  options.progress.stream = std::fopen(In("printed").c_str(), "w");
  ASSERT_NE(options.progress.stream, nullptr);
  EXPECT_THAT(WriteShards(*source, options), IsOk());
  std::fclose(options.progress.stream);
  EXPECT_THAT(ReadFile(In("printed")), IsOkAndHolds("shards 7/9  78 % 0.100 images/s eta 20.0s\n"
                                                    "shards 8/9  89 % 0.100 images/s eta 10.0s\n"
                                                    "shards 9/9 100 % 0.100 images/s\n"
                                                    "shards 9/9 100 % 0.100 images/s in 30.0s\n"));
}

TEST_F(ShardWriterTest, ShardsOfAnotherDatasetOrADamagedShardAreWrittenAgain) {
  ShardWriteOptions options = Options("out", 2);
  int left = 3;
  options.stop = [&] { return left-- <= 0; };
  EXPECT_THAT(WriteShards(*MakeFileImages(In("other"), 6), options),
              StatusIs(absl::StatusCode::kCancelled));
  const auto source = MakeFileImages(In("images"), 4);
  left = 2;
  EXPECT_THAT(WriteShards(*source, options), StatusIs(absl::StatusCode::kCancelled));
  ASSERT_THAT(WriteFileAtomically(In("out/train-00000-of-00002.tar"), "damaged"), IsOk());
  options.stop = nullptr;
  ASSERT_THAT(WriteShards(*source, options), IsOk());
  const auto read = Open("out");
  ASSERT_THAT(read, IsOk());
  ExpectEqualImages(*source, **read);
}

TEST_F(ShardWriterTest, ADamagedLineOfAFinishedShardIsWrittenAgain) {
  const auto source = MakeFileImages(In("images"), 4);
  ASSERT_THAT(WriteShards(*source, Options("whole", 2)), IsOk());
  ShardWriteOptions options = Options("out", 2);
  int left = 2;
  options.stop = [&] { return left-- <= 0; };
  EXPECT_THAT(WriteShards(*source, options), StatusIs(absl::StatusCode::kCancelled));
  const std::string part = In("out/train-00000-of-00002.tar.part");
  std::string text = *ReadFile(part);
  char& digit = text[text.size() - 3];  // of the last image's checksum
  digit = digit == '1' ? '2' : '1';
  ASSERT_THAT(WriteFileAtomically(part, text), IsOk());
  options.stop = nullptr;
  ASSERT_THAT(WriteShards(*source, options), IsOk());
  EXPECT_EQ(*ReadFile(ShardIndexPath(In("out"), "train")),
            *ReadFile(ShardIndexPath(In("whole"), "train")));
}

// It does not fit into memory.
TEST_F(ShardWriterTest, APartFileThatHasBecomeVeryLongIsNotRead) {
  const auto source = MakeFileImages(In("images"), 4);
  ASSERT_THAT(WriteShards(*source, Options("whole", 2)), IsOk());
  ShardWriteOptions options = Options("out", 2);
  int left = 2;
  options.stop = [&] { return left-- <= 0; };
  EXPECT_THAT(WriteShards(*source, options), StatusIs(absl::StatusCode::kCancelled));
  fs::resize_file(In("out/train-00000-of-00002.tar.part"), uintmax_t{1} << 40);
  int written = 0;
  options.stop = [&] { return ++written < 0; };
  ASSERT_THAT(WriteShards(*source, options), IsOk());
  EXPECT_EQ(written, 4);
  EXPECT_EQ(*ReadFile(ShardIndexPath(In("out"), "train")),
            *ReadFile(ShardIndexPath(In("whole"), "train")));
}

// A link to itself can be read as little as a file on a disk with errors.
TEST_F(ShardWriterTest, AFinishedShardThatCannotBeReadNowIsNotReplaced) {
  const auto source = MakeFileImages(In("images"), 4);
  for (const std::string& name :
       {std::string("train-00000-of-00002.tar"), std::string("train-00000-of-00002.tar.part")}) {
    const std::string folder = absl::StrCat("out", name.size());
    ShardWriteOptions options = Options(folder, 2);
    int left = 2;
    options.stop = [&] { return left-- <= 0; };
    EXPECT_THAT(WriteShards(*source, options), StatusIs(absl::StatusCode::kCancelled));
    const std::string path = absl::StrCat(In(folder), "/", name);
    fs::remove(path);
    fs::create_symlink(name, path);
    options.stop = nullptr;
    EXPECT_THAT(WriteShards(*source, options),
                StatusIs(absl::StatusCode::kUnavailable,
                         AllOf(HasSubstr(path), HasSubstr("0 of 2 shards are complete"))));
    EXPECT_TRUE(fs::is_symlink(path)) << path;
  }
}

TEST_F(ShardWriterTest, AnExistingIndexIsNotReplaced) {
  const auto source = MakeFileImages(In("images"), 2);
  ASSERT_THAT(WriteShards(*source, Options("out", 1)), IsOk());
  EXPECT_THAT(WriteShards(*source, Options("out", 2)),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr("train.shards.jsonl exists"), HasSubstr("remove it"))));
}

TEST_F(ShardWriterTest, TheNumberOfShardsIsChecked) {
  const auto source = MakeFileImages(In("images"), 3);
  for (const int64_t shards : {-1, 0, 4}) {
    EXPECT_THAT(WriteShards(*source, Options("out", shards)),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         HasSubstr(absl::StrCat("shards is ", shards,
                                                "; it must be in 1..3 for 3 images"))));
  }
  EXPECT_THAT(WriteShards(FileDataset(AnnotationTable(), {}), Options("out", 1)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has no images")));
}

TEST_F(ShardWriterTest, BadNamesAreRefused) {
  AnnotationTable table = testing::WriteFileImages(In("images"), 2);
  for (const std::string& name :
       {std::string("../a.png"), std::string("/a.png"), std::string("\xff.png")}) {
    table.images[1].name = name;
    EXPECT_THAT(WriteShards(FileDataset(table, {}), Options("out", 1)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("image name")))
        << name;
  }
  table.images[1].name = table.images[0].name;
  EXPECT_THAT(
      WriteShards(FileDataset(table, {}), Options("out", 1)),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("two images are named 0.png")));
  ShardWriteOptions options = Options("out", 1);
  options.name = "a/b";
  EXPECT_THAT(WriteShards(*MakeFileImages(In("images"), 2), options),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is not a file name")));
}

TEST_F(ShardWriterTest, AnImageThatCannotBeReadIsNamed) {
  AnnotationTable table = testing::WriteFileImages(In("images"), 4);
  table.images[3].width += 1;
  EXPECT_THAT(WriteShards(FileDataset(table, {}), Options("out", 2)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("3.jpg: the image has 23 x 27 pixels"),
                             HasSubstr("1 of 2 shards is complete"))));
  fs::remove(table.images[2].path);
  EXPECT_THAT(WriteShards(FileDataset(table, {}), Options("out", 2)),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("2.png: ")));
  table.images[2].path = "";
  EXPECT_THAT(WriteShards(FileDataset(table, {}), Options("out", 2)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("folder of images")));
}

// The limit of a file's size fails a write as a full disk does.
TEST_F(ShardWriterTest, AFullDiskIsNamedAndLeavesNoPartialShard) {
  const auto source = MakeFileImages(In("images"), 4);
  ASSERT_THAT(CreateDirectories(In("out")), IsOk());
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {3000, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status status = WriteShards(*source, Options("out", 2));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("train-00000-of-00002.tar"), HasSubstr("free some space"),
                             HasSubstr("0 of 2 shards are complete"))));
  EXPECT_THAT(ListNames("out"), IsEmpty());
  EXPECT_THAT(WriteShards(*source, Options("out", 2)), IsOk());
}

}  // namespace
}  // namespace rcnn::data
