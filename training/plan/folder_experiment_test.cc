#include "rcnn/training/plan/folder_experiment.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/sources/make_dataset.h"
#include "rcnn/training/config/check_experiment.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

using ::testing::HasSubstr;

constexpr char kFolder[] = "data/sources/testdata/folders/yolo_roboflow";

TEST(MakeFolderExperiment, NamesItsDataInFull) {
  setenv("XDG_CACHE_HOME", testing::TempDir().c_str(), 1);
  const std::string run = testing::TempDir() + "/run";
  fs::remove_all(run);
  const FolderExperimentOptions options = {.folder = kFolder, .run_directory = run, .quiet = true};
  const auto experiment = MakeFolderExperiment(options);
  ASSERT_THAT(experiment, IsOk());
  EXPECT_EQ(experiment->config.name(), "yolo_roboflow");
  EXPECT_THAT(CheckExperiment(experiment->config), IsOk());
  const configs::ExperimentData& data = experiment->config.data();
  EXPECT_TRUE(data.train().has_yolo() && data.validation().has_yolo() && data.test().has_yolo());
  EXPECT_EQ(data.train().yolo().name_size(), 2);
  // The given test part, and two images of three to train on.
  for (const auto& [config, size] :
       {std::pair(data.train(), 2), std::pair(data.validation(), 1), std::pair(data.test(), 1)}) {
    const auto dataset = data::MakeDataset(config, {});
    ASSERT_THAT(dataset, IsOk());
    EXPECT_EQ((*dataset)->size(), size);
  }
  // The same call finds the same.
  const auto again = MakeFolderExperiment(options);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->config.DebugString(), experiment->config.DebugString());
}

TEST(MakeFolderExperiment, ADryRunWritesNothing) {
  setenv("XDG_CACHE_HOME", testing::TempDir().c_str(), 1);
  const std::string run = testing::TempDir() + "/dry";
  ASSERT_THAT(MakeFolderExperiment(
                  {.folder = kFolder, .run_directory = run, .dry_run = true, .quiet = true}),
              IsOk());
  EXPECT_FALSE(fs::exists(run));
}

TEST(MakeFolderExperiment, ErrorsNameTheFlag) {
  const std::string empty = testing::TempDir() + "/empty";
  ASSERT_THAT(CreateDirectories(empty), IsOk());
  EXPECT_THAT(MakeFolderExperiment({.folder = empty, .quiet = true}).status().ToString(),
              HasSubstr("--data_root"));
}

TEST(ExperimentName, HasOnlyWhatNamesMayHave) {
  EXPECT_EQ(ExperimentName("/data/my cells (v2)"), "my_cells__v2_");
  EXPECT_EQ(ExperimentName("a/b.c-d_e"), "b.c-d_e");
  EXPECT_EQ(ExperimentName("a/cells/"), "cells");
  EXPECT_EQ(ExperimentName("/"), "data");
}

}  // namespace
}  // namespace rcnn::training
