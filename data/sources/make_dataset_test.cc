#include "rcnn/data/sources/make_dataset.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/coco/coco_writer.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/shards/shard_writer.h"
#include "rcnn/data/sources/dataset_flag.h"
#include "rcnn/data/voc/voc_writer.h"

namespace rcnn::data {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

absl::StatusOr<std::unique_ptr<Dataset>> Make(const std::string& text,
                                              const std::string& root = "") {
  absl::StatusOr<configs::DatasetConfig> config = ParseDatasetConfig(text, "test");
  if (!config.ok()) return config.status();
  return MakeDataset(*config, {.data_root = root});
}

std::unique_ptr<Dataset> Shapes() {
  return *Make("shapes { seed: 5 num_images: 12 min_objects: 0 max_objects: 4 }");
}

std::string FreshFolder(const std::string& name) {
  const std::string folder = testing::TempDir() + "/" + name;
  std::filesystem::remove_all(folder);
  return folder;
}

// Expects equal pixels, classes and objects; ids, names and paths may differ.
void ExpectSameImagesAndObjects(const Dataset& a, const Dataset& b) {
  ASSERT_EQ(a.size(), b.size());
  EXPECT_EQ(a.classes().names, b.classes().names);
  for (int64_t i = 0; i < a.size(); ++i) {
    const Sample sample_a = *a.Load(i);
    const Sample sample_b = *b.Load(i);
    ASSERT_EQ(sample_a.image->width(), sample_b.image->width());
    ASSERT_EQ(sample_a.image->height(), sample_b.image->height());
    EXPECT_TRUE(std::equal(sample_a.image->data(),
                           sample_a.image->data() + sample_a.image->size_bytes(),
                           sample_b.image->data()));
    ASSERT_EQ(sample_a.objects.size(), sample_b.objects.size());
    for (size_t k = 0; k < sample_a.objects.size(); ++k) {
      Object object = sample_b.objects[k];
      object.id = sample_a.objects[k].id;
      EXPECT_EQ(sample_a.objects[k], object);
    }
  }
}

TEST(MakeDataset, ShapesWrittenAsVocReadBackEqual) {
  const std::string folder = FreshFolder("voc");
  const std::unique_ptr<Dataset> shapes = Shapes();
  ASSERT_THAT(WriteVoc(*shapes, folder, {.split = "train"}), IsOk());
  // The classes of the config: a few images need not show all of them.
  absl::StatusOr<std::unique_ptr<Dataset>> voc = Make(
      "voc { split: 'train' } paths { folder: 'voc' } defect_policy: ERROR "
      "classes: ['disc', 'square', 'triangle', 'star', 'cross', 'ring']",
      testing::TempDir());
  ASSERT_THAT(voc, IsOk());
  ExpectSameImagesAndObjects(*shapes, **voc);
  EXPECT_EQ((*voc)->image(3).name, shapes->image(3).name);
}

// As in the formats whose readers list the folder.
TEST(MakeDataset, RefusesLinksThatLeaveAVocOrCocoFolderOnRequest) {
  const std::string folder = FreshFolder("links");
  ASSERT_THAT(WriteVoc(*Shapes(), folder + "/voc", {.split = "train"}), IsOk());
  ASSERT_THAT(WriteCoco(*Shapes(), folder + "/set.json", folder + "/coco"), IsOk());
  for (const char* text :
       {"voc { split: 'train' } paths { folder: 'links/voc' }",
        "coco {} paths { annotations: 'links/set.json' images: 'links/coco' }"}) {
    const auto config = ParseDatasetConfig(text, "test");
    ASSERT_THAT(config, IsOk());
    DatasetOptions options = {.data_root = testing::TempDir(), .follow_links = false};
    const std::string images = folder + (config->has_voc() ? "/voc/JPEGImages" : "/coco");
    EXPECT_THAT(MakeDataset(*config, options), IsOk());
    std::filesystem::create_symlink(folder + "/set.json", images + "/link.png");
    EXPECT_THAT(MakeDataset(*config, options),
                StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("link.png")));
    options.follow_links = true;
    EXPECT_THAT(MakeDataset(*config, options), IsOk());
  }
}

TEST(MakeDataset, ShapesWrittenAsCocoReadBackEqual) {
  const std::string folder = FreshFolder("coco");
  const std::unique_ptr<Dataset> shapes = Shapes();
  ASSERT_THAT(WriteCoco(*shapes, folder + "/train.json", folder + "/train"), IsOk());
  absl::StatusOr<std::unique_ptr<Dataset>> coco = Make(
      "coco {} defect_policy: ERROR paths { annotations: 'coco/train.json' images: 'coco/train' }",
      testing::TempDir());
  ASSERT_THAT(coco, IsOk());
  ExpectSameImagesAndObjects(*shapes, **coco);
  for (int64_t i = 0; i < shapes->size(); ++i) {
    EXPECT_EQ((*coco)->image(i).id, shapes->image(i).id);
    EXPECT_EQ((*coco)->objects(i), shapes->objects(i));
  }
}

// COCO's names have an extension, VOC's lists leave it out.
TEST(MakeDataset, CocoWrittenAsVocReadsBackEqual) {
  const std::string folder = FreshFolder("coco_as_voc");
  ASSERT_THAT(WriteCoco(*Shapes(), folder + "/train.json", folder + "/train"), IsOk());
  const std::unique_ptr<Dataset> coco =
      *Make("coco {} paths { annotations: 'train.json' images: 'train' }", folder);
  ASSERT_THAT(WriteVoc(*coco, folder, {.split = "train"}), IsOk());
  absl::StatusOr<std::unique_ptr<Dataset>> voc = Make(
      "voc { split: 'train' } defect_policy: ERROR "
      "classes: ['disc', 'square', 'triangle', 'star', 'cross', 'ring']",
      folder);
  ASSERT_THAT(voc, IsOk());
  ExpectSameImagesAndObjects(*coco, **voc);
  EXPECT_EQ((*voc)->image(3).name, Shapes()->image(3).name);
}

absl::Status WriteQuietly(const Dataset& dataset, const std::string& folder,
                          const std::string& name, int64_t shards) {
  ShardWriteOptions options;
  options.folder = folder;
  options.name = name;
  options.shards = shards;
  options.progress.quiet = true;
  return WriteShards(dataset, options);
}

TEST(MakeDataset, ShardsOfADatasetInFilesAreThatDataset) {
  const std::string folder = FreshFolder("in_shards");
  ASSERT_THAT(WriteCoco(*Shapes(), folder + "/train.json", folder + "/train"), IsOk());
  const std::unique_ptr<Dataset> coco =
      *Make("coco {} paths { annotations: 'train.json' images: 'train' }", folder);
  ASSERT_THAT(WriteQuietly(*coco, folder + "/shards", "train", 5), IsOk());
  const auto shards = Make("shards {} paths { annotations: 'shards/train.shards.jsonl' }", folder);
  ASSERT_THAT(shards, IsOk());
  ExpectSameImagesAndObjects(*coco, **shards);
  EXPECT_EQ((*shards)->fingerprint(), coco->fingerprint());
  std::filesystem::copy(folder + "/shards/train.shards.jsonl", folder + "/elsewhere.shards.jsonl");
  const auto elsewhere =
      Make("shards {} paths { annotations: 'elsewhere.shards.jsonl' images: 'shards' }", folder);
  ASSERT_THAT(elsewhere, IsOk());
  EXPECT_THAT((*elsewhere)->LoadImage(11), IsOk());
}

TEST(MakeDataset, AListChoosesImagesOfShards) {
  const std::string folder = FreshFolder("listed_shards");
  ASSERT_THAT(WriteQuietly(*Shapes(), folder, "train", 2), IsOk());
  ASSERT_THAT(WriteFileAtomically(folder + "/list.txt", "shapes-5-000011\n"), IsOk());
  const auto listed =
      Make("shards {} paths { annotations: 'train.shards.jsonl' image_list: 'list.txt' }", folder);
  ASSERT_THAT(listed, IsOk());
  ASSERT_EQ((*listed)->size(), 1);
  EXPECT_EQ((*listed)->objects(0), Shapes()->objects(11));
}

TEST(MakeDataset, TwoImagesAreNeverWrittenToOneFile) {
  const std::unique_ptr<Dataset> twice =
      *Make("concat { parts { shapes { num_images: 1 } } parts { shapes { num_images: 1 } } }");
  const std::string folder = FreshFolder("twice");
  const absl::Status status = absl::InvalidArgumentError(
      "two images would be written to the same file shapes-0-000000.png: shapes-0-000000 and "
      "shapes-0-000000; write each part of the dataset by itself");
  EXPECT_EQ(WriteVoc(*twice, folder, {}), status);
  EXPECT_EQ(WriteCoco(*twice, folder + "/a.json", folder + "/a"), status);
  EXPECT_THAT(WriteQuietly(*twice, folder + "/shards", "train", 1),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("two images are named shapes-0-000000")));
}

TEST(MakeDataset, LoadingNamesAMissingOrChangedImage) {
  const std::string folder = FreshFolder("changed");
  ASSERT_THAT(WriteCoco(*Shapes(), folder + "/train.json", folder + "/train"), IsOk());
  std::unique_ptr<Dataset> coco =
      *Make("coco {} paths { annotations: 'train.json' images: 'train' }", folder);
  const std::string path = coco->image(2).path;
  ASSERT_THAT(WriteFileAtomically(path, "hello"), IsOk());
  EXPECT_THAT(coco->Load(2), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)));
  std::filesystem::remove(path);
  EXPECT_THAT(coco->Load(2), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_THAT(WriteVoc(**Make("shapes { num_images: 1 width_px: 64 height_px: 64 }"), folder, {}),
              IsOk());
  std::filesystem::copy(folder + "/JPEGImages/shapes-0-000000.png", path);
  EXPECT_THAT(coco->Load(2),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("has 64 x 64 pixels, but its annotation was made for 160 x 128; "
                                 "correct the annotation, or restore the image")));
}

TEST(MakeDataset, WrittenCocoReplacesNoOtherFile) {
  const std::string folder = FreshFolder("not_replaced");
  for (int i = 0; i < 2; ++i) {
    ASSERT_THAT(WriteCoco(*Shapes(), folder + "/train.json", folder + "/train"), IsOk());
  }
  const std::string image = folder + "/train/shapes-5-000000.png";
  for (const std::string& file : {folder + "/train.json", image}) {
    ASSERT_THAT(WriteFileAtomically(file, "mine"), IsOk());
    EXPECT_THAT(WriteCoco(*Shapes(), folder + "/train.json", folder + "/train"),
                StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(file)));
    EXPECT_EQ(ReadFile(file).value(), "mine");
    std::filesystem::remove(file);
  }
  std::filesystem::remove_all(folder + "/train");
  ASSERT_THAT(WriteFileAtomically(folder + "/train.json", "mine"), IsOk());
  EXPECT_FALSE(WriteCoco(*Shapes(), folder + "/train.json", folder + "/train").ok());
  EXPECT_FALSE(std::filesystem::exists(folder + "/train"));
}

TEST(MakeDataset, WithoutAFolderOnlyAnnotationsAreAvailable) {
  const std::string folder = FreshFolder("bare");
  ASSERT_THAT(WriteCoco(*Shapes(), folder + "/train.json", folder + "/train"), IsOk());
  std::unique_ptr<Dataset> coco = *Make("coco {} paths { annotations: 'train.json' }", folder);
  EXPECT_EQ(coco->size(), 12);
  EXPECT_THAT(coco->Load(0),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("set paths.images")));
}

TEST(MakeDataset, PutsPartsOneAfterTheOther) {
  std::unique_ptr<Dataset> both = *Make(
      "concat { parts { shapes { seed: 1 num_images: 3 } } parts { shapes { seed: 2 num_images: 2 "
      "} } }");
  ASSERT_EQ(both->size(), 5);
  EXPECT_EQ(both->image(2).name, "shapes-1-000002");
  EXPECT_EQ(both->image(3).name, "shapes-2-000000");
  EXPECT_NE(both->image(3).id, both->image(0).id);
  EXPECT_EQ(both->Load(4)->info.id, both->image(4).id);
  EXPECT_EQ(both->Load(4)->objects, both->objects(4));
}

TEST(MakeDataset, RejectsMismatchedParts) {
  EXPECT_THAT(Make("concat {}"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no parts")));
  EXPECT_THAT(Make("concat { parts { shapes {} } parts { shapes { num_classes: 2 } } }"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("part 1 has the classes disc, square and part 0")));
  EXPECT_THAT(Make("concat { parts { shapes {} } parts { shapes {} inclusive_boxes: true } }"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("differ in inclusive_boxes; set it in all parts")));
  EXPECT_THAT(Make("concat { parts { shapes {} } } classes: 'cat'"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("belong in its parts")));
  EXPECT_THAT(
      Make("concat { parts { shapes { num_images: 0 } } }"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("part 0: shapes: num_images")));
}

TEST(MakeDataset, RejectsAPartOfACsvFileWithoutParts) {
  const std::string folder = FreshFolder("no_parts");
  std::filesystem::create_directories(folder);
  ASSERT_THAT(WriteFileAtomically(folder + "/boxes.csv",
                                  "filename,width,height,class,xmin,ymin,xmax,ymax\n"),
              IsOk());
  EXPECT_THAT(Make("csv { part: 'train' } paths { annotations: 'boxes.csv' }", folder),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("csv.part is \"train\""),
                             HasSubstr("add one, or remove csv.part"))));
}

TEST(MakeDataset, RejectsUnusedFields) {
  EXPECT_THAT(Make(""), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no source")));
  EXPECT_THAT(Make("coco {}"), StatusIs(absl::StatusCode::kInvalidArgument,
                                        HasSubstr("names no file; set it to the instances file")));
  EXPECT_THAT(Make("csv {}"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("names no file; set it to the file of annotations")));
  EXPECT_THAT(Make("shards {}"), StatusIs(absl::StatusCode::kInvalidArgument,
                                          HasSubstr("such as train.shards.jsonl")));
  EXPECT_THAT(Make("shapes {} classes: 'cat'"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("num_classes")));
  EXPECT_THAT(Make("shapes {} leave_out_empty_images: true"),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("min_objects")));
}

}  // namespace
}  // namespace rcnn::data
