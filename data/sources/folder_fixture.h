// Tests of what is found in a folder: each has an empty one, and puts files into it.

#ifndef RCNN_DATA_SOURCES_FOLDER_FIXTURE_H_
#define RCNN_DATA_SOURCES_FOLDER_FIXTURE_H_

#include <filesystem>
#include <string>

#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/sources/folder_contents.h"

namespace rcnn::data {

class FolderFixture : public testing::Test {
 protected:
  // Images are known by their names alone.
  void Put(const std::string& path, const std::string& content = "") {
    const std::filesystem::path file = std::filesystem::path(folder_) / path;
    ASSERT_THAT(CreateDirectories(file.parent_path().string()), IsOk());
    ASSERT_THAT(WriteFileAtomically(file.string(), content), IsOk());
  }

  FolderContents Read() const {
    const auto contents = FolderContents::Read(folder_, {});
    EXPECT_THAT(contents, IsOk());
    return contents.ok() ? *contents : FolderContents();
  }

  const std::string folder_ = FreshDirectory();
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_FOLDER_FIXTURE_H_
