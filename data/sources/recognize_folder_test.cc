#include "rcnn/data/sources/recognize_folder.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/sources/open_folder.h"

namespace rcnn::data {
namespace {

namespace fs = std::filesystem;

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kFolders[] = "data/sources/testdata/folders";

std::vector<std::string> Lines(const OpenedFolder& folder) {
  std::vector<std::string> lines;
  for (const OpenedPart& part : folder.parts) {
    for (int64_t i = 0; i < part.images->size(); ++i) {
      const std::string image = absl::StrCat(part.name, " ", part.images->image(i).name);
      const std::vector<Object> objects = part.images->objects(i);
      if (objects.empty()) lines.push_back(image);
      for (const Object& object : objects) {
        const auto& [x, y, width, height] = object.xywh;
        lines.push_back(absl::StrFormat("%s %s %.5g %.5g %.5g %.5g", image,
                                        folder.classes[static_cast<size_t>(object.label - 1)], x, y,
                                        x + width, y + height));
      }
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

// The folders of testdata, which are links under Bazel.
class LayoutTest : public testing::TestWithParam<std::string> {};

TEST_P(LayoutTest, IsReadWithItsPartsObjectsAndClasses) {
  const std::string path = absl::StrCat(kFolders, "/", GetParam());
  const absl::StatusOr<OpenedFolder> folder = OpenFolder(path, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_EQ(folder->format, GetParam().substr(0, GetParam().find('_')));
  EXPECT_THAT(folder->classes, ElementsAre("cat", "dog"));
  const absl::StatusOr<std::string> expected = ReadFile(path + "/expected.txt");
  ASSERT_THAT(expected, IsOk());
  EXPECT_THAT(Lines(*folder), ElementsAreArray(std::vector<std::string>(
                                  absl::StrSplit(*expected, '\n', absl::SkipEmpty()))));
  for (const OpenedPart& part : folder->parts) {
    EXPECT_EQ(part.images->defects().ToString(9), "") << part.name;
    EXPECT_THAT(part.images->LoadImage(0), IsOk());
  }
}

TEST_P(LayoutTest, IsTheSameWhenItsFormatIsNamed) {
  const std::string path = absl::StrCat(kFolders, "/", GetParam());
  const std::string format = GetParam().substr(0, GetParam().find('_'));
  const auto folder = RecognizeFolder(path), named = RecognizeFolder(path, {.format = format});
  ASSERT_THAT(folder, IsOk());
  ASSERT_THAT(named, IsOk());
  ASSERT_EQ(folder->parts.size(), named->parts.size());
  for (size_t i = 0; i < folder->parts.size(); ++i) {
    EXPECT_EQ(folder->parts[i].config.DebugString(), named->parts[i].config.DebugString());
  }
}

INSTANTIATE_TEST_SUITE_P(Folders, LayoutTest,
                         testing::Values("coco_one_file", "coco_parts", "coco_roboflow",
                                         "csv_no_header", "csv_one_file", "csv_parts", "cvat_one",
                                         "cvat_subsets", "labelme_apart", "labelme_beside",
                                         "voc_apart", "voc_beside", "voc_data_labels", "voc_devkit",
                                         "voc_parts", "yolo_beside", "yolo_darknet",
                                         "yolo_polygons", "yolo_roboflow", "yolo_ultralytics"),
                         [](const auto& info) { return info.param; });

class RecognizeFolderTest : public testing::Test {
 protected:
  void Put(const std::string& path, const std::string& content = "x") {
    ASSERT_THAT(CreateDirectories(fs::path(folder_ + "/" + path).parent_path()), IsOk());
    ASSERT_THAT(WriteFileAtomically(folder_ + "/" + path, content), IsOk());
  }

  void Copy(const std::string& layout) {
    fs::copy(fs::canonical(absl::StrCat(kFolders, "/", layout)), folder_,
             fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  }

  absl::Status Error(const FolderOptions& options = {}) {
    return OpenFolder(folder_, options).status();
  }

  const std::string folder_ = FreshDirectory();
};

// The whole messages: what is wrong, what to do, and what was looked for.
TEST_F(RecognizeFolderTest, SaysWhatToDoAboutAFolderThatCannotBeRead) {
  constexpr char kLookedFor[] =
      "\nwhat was looked for:\n"
      "  voc      .xml files with <annotation>, beside the images or in a folder of their own\n"
      "  coco     .json files with \"images\", \"annotations\" and \"categories\"\n"
      "  yolo     .txt files named like the images, and data.yaml, classes.txt or obj.names\n"
      "  labelme  .json files with \"shapes\", one for each image\n"
      "  cvat     an .xml file with <annotations> and <image>\n"
      "  csv      a .csv file of filename,width,height,class,xmin,ymin,xmax,ymax\n"
      "  shards   an index NAME.shards.jsonl\n"
      "images are .jpg, .png, .bmp, .webp, .gif or .tif files";
  const auto expect = [&](const std::string& message) {
    EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument, folder_ + message));
  };
  const std::string export_them =
      "); export annotations in one of the formats below, or name the folder that has both";
  expect(std::string(": the folder is empty; put images and their annotations into it, or name "
                     "another") +
         kLookedFor);
  Put("a.txt", "0 0.5 0.5 0.5 0.5\n");
  expect(std::string(": no images among 1 file (1 .txt); put the images beside their annotations, "
                     "or name the folder that has both") +
         kLookedFor);
  fs::remove(folder_ + "/a.txt");
  Put("a.jpg");
  expect(": no annotations that can be read among 1 file (1 .jpg" + export_them + kLookedFor);
  Put("a.txt", "");
  Put("classes.txt", "cat\n");
  expect(": no annotations that can be read among 3 files (1 .jpg, 2 .txt" + export_them +
         "\n  it looks like YOLO with nothing but empty label files, without objects" + kLookedFor);
  fs::remove(folder_ + "/classes.txt");
  Put("a.txt", "Car 0.00 0 -1.58 587.0 173.3 614.1 200.1 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n");
  expect(": no annotations that can be read among 2 files (1 .jpg, 1 .txt" + export_them +
         "\n  a.txt looks like KITTI (text), which is not supported" + kLookedFor);
  Put("a.txt", "0 0.5 0.5 0.5 0.5\n");
  expect(
      ": YOLO labels in the folder itself (1 file) without class names; add data.yaml with "
      "names: [...], or classes.txt with one name a line, in the order of their numbers");
  Put("classes.txt", "cat\n");
  Put("a.xml", "<annotation><size/></annotation>");
  expect(
      ": can be read as voc (the folder itself (1 file)) and as yolo (the folder itself (1 "
      "file)); choose one: --data_format=voc or --dataset=voc:" +
      folder_ + "; --data_format=yolo or --dataset=yolo:" + folder_);
}

// One of two parts would otherwise be missing without a message.
TEST_F(RecognizeFolderTest, TellsAnnotationsThatAreNotRead) {
  Copy("coco_parts");
  const std::string file = "annotations/instances_test2017.json";
  fs::remove(folder_ + "/" + file);
  Put(file, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->notices, Contains(file + " is a Git LFS pointer, not the file itself: "
                                               "fetch it with `git lfs pull`"));
}

// Without the file its part would be missing, or the names of the classes be others.
TEST_F(RecognizeFolderTest, StopsAtAFileThatCannotBeReadNow) {
  Copy("coco_parts");
  const auto expect_stop = [&](const std::string& file) {
    ASSERT_THAT(Error(), IsOk());
    fs::remove(folder_ + "/" + file);
    // Opens, and cannot be read at its beginning.
    fs::create_symlink("/proc/self/mem", folder_ + "/" + file);
    EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(file)));
  };
  expect_stop("annotations/instances_test2017.json");
  fs::remove_all(folder_);
  Copy("yolo_darknet");
  expect_stop("train.txt");
}

TEST_F(RecognizeFolderTest, NamesARunWithImagesThatAreNotRead) {
  Copy("yolo_beside");
  Put("old/experiment.textproto");
  Put("old/split/train.txt");
  const auto before = OpenFolder(folder_, {});
  ASSERT_THAT(before, IsOk());
  EXPECT_THAT(before->notices, Not(Contains(HasSubstr("holds a run"))));
  Put("old/images/z.png");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->notices, Contains(HasSubstr("old holds a run, so its images")));
}

// Labels of another program, of which one folder may have a million.
TEST_F(RecognizeFolderTest, ReadsSomeThousandsOfUnknownFiles) {
  Copy("yolo_beside");
  fs::create_directory(folder_ + "/meta");
  for (int i = 0; i < 5100; ++i) {
    const std::string name = absl::StrCat(folder_, "/meta/", i);
    std::ofstream(name + ".png") << "x";
    std::ofstream(name + ".json") << "{\"exposure\": 3}";
  }
  const auto folder = RecognizeFolder(folder_, {.format = "yolo"});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->notices,
              Contains(AllOf(HasSubstr(" of the .json files in meta, such as meta/"),
                             HasSubstr("because 5000 others there"))));
}

// However many label files are empty, the others are found.
TEST_F(RecognizeFolderTest, ReadsAllEmptyLabelFiles) {
  Put("classes.txt", "cat\n");
  for (int i = 10000; i < 16000; ++i) {
    const std::string name = absl::StrCat(folder_, "/", i);
    std::ofstream(name + ".png") << "x";
    std::ofstream(name + ".txt") << (i == 15801 ? "0 0.5 0.5 0.5 0.5\n" : "");
  }
  const auto folder = RecognizeFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_EQ(folder->format, "yolo");
  EXPECT_THAT(folder->notices, ElementsAre());
}

TEST_F(RecognizeFolderTest, SaysWhatItLookedForInAnEmptyFolder) {
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("the folder is empty"), HasSubstr("data.yaml"),
                                      HasSubstr("labelme"), HasSubstr("<annotation>"))));
}

TEST_F(RecognizeFolderTest, SaysThatThereAreNoImages) {
  Copy("yolo_beside");
  for (const char* image : {"a", "b", "c", "d"}) fs::remove(folder_ + "/" + image + ".png");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("no images among 6 files (6 .txt)"),
                                      HasSubstr("what was looked for"))));
}

TEST_F(RecognizeFolderTest, NamesTheMostFrequentExtensions) {
  for (const char digit : std::string("0123456789")) Put(std::string("x.k") + digit);
  Put("y.k9");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("no images among 11 files (2 .k9, 1 .k0, 1 .k1, 1 .k2, "
                                          "1 .k3, 1 .k4, 1 .k5, 1 .k6, 2 other kinds); put")));
}

TEST_F(RecognizeFolderTest, SaysThatThereAreNoAnnotations) {
  Put("a.jpg");
  Put("b.jpg");
  EXPECT_THAT(Error(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("no annotations that can be read among 2 files (2 .jpg)")));
  Put("cats/c.jpg");
  fs::remove(folder_ + "/a.jpg");
  fs::remove(folder_ + "/b.jpg");
  Put("dogs/c.jpg");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("images sorted into folders by class")));
}

TEST_F(RecognizeFolderTest, SaysWhatAnnotationsThatAreNotReadLookLike) {
  Put("a.jpg");
  Put("via.json", R"({"_via_settings": {}, "_via_img_metadata": {}})");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("via.json looks like VGG Image Annotator (JSON)")));
  fs::remove(folder_ + "/via.json");
  Put("a.txt", "1 2 3 4 5 6 7 8 plane 0\n");
  EXPECT_THAT(Error(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a.txt looks like DOTA")));
  Put("a.txt", "Car 0.00 0 -1.58 587.0 173.3 614.1 200.1 1.65 1.67 3.64 -0.65 1.71 46.70 -1.59\n");
  EXPECT_THAT(Error(),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("a.txt looks like KITTI")));
  fs::remove(folder_ + "/a.txt");
  Put("labels.json", R"([{"image": "a.jpg", "annotations": [{"label": "cat"}]}])");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("labels.json looks like CreateML")));
  Put("labels.json", R"([{"id": 1, "annotations": [{"result": []}], "data": {"image": "a.jpg"}}])");
  EXPECT_THAT(
      Error(),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("labels.json looks like Label Studio"),
                     HasSubstr("export it from Label Studio as COCO, YOLO or Pascal VOC"))));
  fs::remove(folder_ + "/labels.json");
  Put("classes.txt", "cat\n");
  Put("a.txt", "0,0.5,0.5,0.1,0.1\n");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("a.txt looks like YOLO with commas in its lines; values "
                                          "must be separated by spaces")));
}

TEST_F(RecognizeFolderTest, NamesBothFormatsAndTheFlagThatDecides) {
  Copy("yolo_beside");
  Copy("voc_beside");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("voc (the folder itself (4 files))"),
                                      HasSubstr("yolo (the folder itself"),
                                      HasSubstr("--data_format=voc or --dataset=voc:" + folder_),
                                      HasSubstr("--data_format=yolo"))));
  EXPECT_THAT(Error({.format = "voc"}), IsOk());
  EXPECT_THAT(Error({.format = "yolo"}), IsOk());
  EXPECT_THAT(Error({.format = "coco"}), StatusIs(absl::StatusCode::kInvalidArgument,
                                                  HasSubstr("no annotations that can be read")));
  EXPECT_THAT(Error({.format = "tfrecord"}),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("voc, coco, yolo")));
}

TEST_F(RecognizeFolderTest, ShardsNeedNoImageFiles) {
  Put("cells_train2017.shards.jsonl");
  Put("sub/cells_val.shards.jsonl");
  Put("cells_train2017-00000-of-00001.tar");
  const auto folder = RecognizeFolder(folder_);
  ASSERT_THAT(folder, IsOk());
  EXPECT_EQ(folder->format, "shards");
  ASSERT_EQ(folder->parts.size(), 2u);
  EXPECT_EQ(folder->parts[0].name, "train");
  EXPECT_TRUE(folder->parts[0].config.has_shards());
  const configs::DatasetPaths& paths = folder->parts[1].config.paths();
  EXPECT_EQ(paths.annotations(), folder_ + "/sub/cells_val.shards.jsonl");
  EXPECT_EQ(paths.images(), folder_ + "/sub");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("cells_train2017.shards.jsonl: line 1: invalid JSON")));
}

TEST_F(RecognizeFolderTest, ShardsBesideTheirSourceAreTwoReadings) {
  Copy("yolo_beside");
  Put("train.shards.jsonl");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("shards (train.shards.jsonl)"),
                                      HasSubstr("--data_format=shards"))));
}

TEST_F(RecognizeFolderTest, NamesTwoCocoFilesOfOnePart) {
  Copy("coco_one_file");
  fs::copy(folder_ + "/annotations.json", folder_ + "/other.json");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("annotations.json"), HasSubstr("other.json"),
                                      HasSubstr("--dataset=coco:"))));
}

TEST_F(RecognizeFolderTest, AsksForTheNamesOfYoloClasses) {
  Copy("yolo_beside");
  fs::remove(folder_ + "/classes.txt");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("class names"), HasSubstr("classes.txt"))));
  Put("classes.txt", "cat\ndog\n");
  Put("more/obj.names", "dog\ncat\n");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("classes.txt"), HasSubstr("more/obj.names"),
                                      HasSubstr("different classes"))));
}

TEST_F(RecognizeFolderTest, AnnotationsOfOtherImagesAreAnError) {
  Copy("labelme_beside");
  for (const char* image : {"a", "b", "c", "d", "e"}) fs::remove(folder_ + "/" + image + ".png");
  Put("z.png");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("LabelMe"), HasSubstr("no image in the folder"))));
}

TEST_F(RecognizeFolderTest, CountsImagesThatNothingAnnotates) {
  Copy("labelme_beside");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(folder->notices, ElementsAre(HasSubstr("1 image in the folder without")));
}

// One file name in two folders: paths tell them apart, with the folders of another machine too.
TEST_F(RecognizeFolderTest, ImagesOfOneNameAreToldApartByTheirPaths) {
  const std::string images = absl::StrCat(kFolders, "/csv_one_file/");
  for (const char* camera : {"left", "right"}) {
    ASSERT_THAT(CreateDirectories(absl::StrCat(folder_, "/", camera)), IsOk());
    for (const char* name : {"a.png", "b.png"}) {
      fs::copy_file(fs::canonical(images + name), absl::StrCat(folder_, "/", camera, "/", name));
    }
  }
  const std::string csv =
      "filename,width,height,class,xmin,ymin,xmax,ymax\n"
      "left/a.png,32,24,cat,1,1,9,9\n"
      "C:\\work\\right\\a.png,32,24,dog,2,2,9,9\n"
      "right/b.png,40,30,cat,3,3,9,9\n"
      "./left/b.png,40,30,dog,4,4,9,9\n";
  const std::string cvat =
      "<annotations><version>1.1</version><meta><task><labels><label><name>cat</name></label>"
      "<label><name>dog</name></label></labels></task></meta>"
      "<image id='0' name='job/left/a.png' width='32' height='24'>"
      "<box label='cat' xtl='1' ytl='1' xbr='9' ybr='9'/></image>"
      "<image id='1' name='right/a.png' width='32' height='24'>"
      "<box label='dog' xtl='2' ytl='2' xbr='9' ybr='9'/></image>"
      "<image id='2' name='job/right/b.png' width='40' height='30'>"
      "<box label='cat' xtl='3' ytl='3' xbr='9' ybr='9'/></image>"
      "<image id='3' name='left/b.png' width='40' height='30'>"
      "<box label='dog' xtl='4' ytl='4' xbr='9' ybr='9'/></image></annotations>";
  for (const auto& [name, text] : {std::pair("boxes.csv", csv), std::pair("boxes.xml", cvat)}) {
    Put(name, text);
    const auto folder = OpenFolder(folder_, {});
    ASSERT_THAT(folder, IsOk());
    EXPECT_THAT(Lines(*folder),
                ElementsAre("all left/a.png cat 1 1 9 9", "all left/b.png dog 4 4 9 9",
                            "all right/a.png dog 2 2 9 9", "all right/b.png cat 3 3 9 9"))
        << name;
    fs::remove(folder_ + "/" + name);
  }
}

// Rows for test would otherwise be trained on.
TEST_F(RecognizeFolderTest, ReadsTheSplitOfACsvColumn) {
  Copy("csv_one_file");
  for (const auto& entry : fs::directory_iterator(folder_)) {
    if (entry.path().extension() == ".csv") fs::remove(entry.path());
  }
  const std::string header = "split,filename,class,xmin,ymin,xmax,ymax\n";
  const std::string rows =
      "TRAIN,a.png,cat,1,1,9,9\ntest,b.png,dog,2,2,9,9\nvalid,c.png,cat,3,3,9,9\n"
      "TRAIN,a.png,dog,4,4,9,9\n";
  Put("boxes.csv", header + rows);
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(Lines(*folder), ElementsAre("test b.png dog 2 2 9 9", "train a.png cat 1 1 9 9",
                                          "train a.png dog 4 4 9 9", "val c.png cat 3 3 9 9"));
  EXPECT_THAT(folder->notices, Not(Contains(HasSubstr("is not read"))));
  Put("boxes.csv", header + rows + "extra,d.png,cat,1,1,9,9\n");
  EXPECT_THAT(Error(),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("boxes.csv: column split: row 6: \"extra\" is not a part; "
                                 "write train, val or test into each row")));
  Put("boxes.csv", header + rows + "test,a.png,cat,1,1,9,9\n");
  EXPECT_THAT(Error(), StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("row 6: a.png is in test, and by row 2 in TRAIN")));
  Put("boxes.csv", header + "1,a.png,cat,1,1,9,9\n2,b.png,dog,2,2,9,9\n");
  const auto numbers = OpenFolder(folder_, {});
  ASSERT_THAT(numbers, IsOk());
  EXPECT_THAT(Lines(*numbers), ElementsAre("all a.png cat 1 1 9 9", "all b.png dog 2 2 9 9"));
  EXPECT_THAT(numbers->parts[0].images->defects().notices(),
              ElementsAre(HasSubstr("the column split is not read")));
}

// Without a folder they cannot be told apart.
TEST_F(RecognizeFolderTest, ANameOfTwoImagesIsADefectThatNamesBoth) {
  const std::string image = fs::canonical(absl::StrCat(kFolders, "/csv_one_file/a.png"));
  for (const char* name : {"left/a.png", "right/a.png", "b.png"}) {
    ASSERT_THAT(CreateDirectories(fs::path(folder_ + "/" + name).parent_path()), IsOk());
    fs::copy_file(image, folder_ + "/" + name);
  }
  Put("boxes.csv",
      "filename,width,height,class,xmin,ymin,xmax,ymax\n"
      "a.png,32,24,cat,1,1,9,9\nb.png,32,24,cat,1,1,9,9\n");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(Lines(*folder), ElementsAre("all b.png cat 1 1 9 9"));
  EXPECT_THAT(folder->parts[0].images->defects().ToString(9),
              HasSubstr("a.png matches both left/a.png and right/a.png"));
}

TEST_F(RecognizeFolderTest, NamesInAnnotationsNeverLeaveTheFolder) {
  Put("outside.png");
  Put("set/a.csv",
      "filename,width,height,class,xmin,ymin,xmax,ymax\n../outside.png,9,9,cat,1,1,5,5\n");
  fs::copy(fs::canonical(absl::StrCat(kFolders, "/voc_beside/a.png")), folder_ + "/set/a.png");
  const auto folder = OpenFolder(folder_ + "/set", {});
  ASSERT_THAT(folder, StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("unsafe"), HasSubstr("../outside.png"))));
}

TEST_F(RecognizeFolderTest, RefusesLinksThatLeaveOnlyOnRequest) {
  Copy("yolo_beside");
  fs::copy(folder_, folder_ + "_outside", fs::copy_options::recursive);
  fs::remove(folder_ + "/a.png");
  fs::create_symlink(folder_ + "_outside/a.png", folder_ + "/a.png");
  EXPECT_THAT(Error(), IsOk());
  EXPECT_THAT(Error({.follow_links = false}),
              StatusIs(absl::StatusCode::kPermissionDenied,
                       AllOf(HasSubstr("a.png"), HasSubstr("--nofollow_links"))));
  fs::remove_all(folder_ + "_outside");
}

TEST_F(RecognizeFolderTest, ConfigsNameEveryPlaceAndClass) {
  Copy("labelme_apart");
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  const configs::DatasetConfig& config = folder->parts[0].config;
  EXPECT_EQ(config.paths().folder(), folder_);
  EXPECT_EQ(config.paths().annotations(), folder_ + "/labels/train");
  EXPECT_EQ(config.paths().images(), folder_ + "/images/train");
  EXPECT_THAT(config.classes(), ElementsAre("cat", "dog"));
  EXPECT_EQ(config.overrun_tolerance_px(), 1);
}

TEST_F(RecognizeFolderTest, ReadsYoloFoldersInsideOfAPartTogether) {
  Copy("yolo_ultralytics");
  fs::remove(folder_ + "/pets.yaml");
  Put("classes.txt", "cat\ndog\n");
  for (const char* kind : {"images", "labels"}) {
    const std::string train = absl::StrCat(folder_, "/", kind, "/train");
    for (const char* day : {"/monday", "/tuesday"}) fs::create_directory(train + day);
    const std::string extension = kind == std::string("images") ? ".png" : ".txt";
    fs::rename(train + "/a" + extension, train + "/monday/a" + extension);
    fs::rename(train + "/b" + extension, train + "/tuesday/b" + extension);
  }
  const auto folder = OpenFolder(folder_, {});
  ASSERT_THAT(folder, IsOk());
  EXPECT_THAT(Lines(*folder), Contains("train monday/a.png cat 4 6 20 18"));
  EXPECT_THAT(Lines(*folder), Contains("train tuesday/b.png cat 0 0 40 30"));
  EXPECT_THAT(folder->parts[0].config.has_concat(), false);
}

}  // namespace
}  // namespace rcnn::data
