#include "rcnn/training/scheduler/temporary_files.h"

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn::training {
namespace {

namespace fs = std::filesystem;

void Put(const std::string& directory, const std::string& name) {
  ASSERT_THAT(CreateDirectories(directory), IsOk());
  ASSERT_THAT(WriteFileAtomically(absl::StrCat(directory, "/", name), "x"), IsOk());
}

TEST(TemporaryFilesTest, AreKnownByTheirNames) {
  for (const char* name : {"model.safetensors.tmp-4711-0", "a.tmp-1-0.tmp-2-0"}) {
    EXPECT_TRUE(IsTemporary(name)) << name;
  }
  for (const char* name : {"model.safetensors", "notes.tmp-mine", "a.tmp-1-0.txt", "tmp-1-0", ""}) {
    EXPECT_FALSE(IsTemporary(name)) << name;
  }
}

TEST(TemporaryFilesTest, AreDeletedInADirectoryAndAmongItsCopies) {
  const std::string run = FreshDirectory();
  for (const char* folder : {"", "/copies", "/other"}) {
    Put(run + folder, "a");
    Put(run + folder, "a.tmp-1-0");
  }
  ASSERT_THAT(RemoveTemporaries(run), IsOk());
  for (const char* folder : {"", "/copies", "/other"}) {
    EXPECT_TRUE(fs::exists(run + folder + "/a")) << folder;
  }
  EXPECT_FALSE(fs::exists(run + "/a.tmp-1-0"));
  EXPECT_FALSE(fs::exists(run + "/copies/a.tmp-1-0"));
  EXPECT_TRUE(fs::exists(run + "/other/a.tmp-1-0"));
}

TEST(TemporaryFilesTest, StayBehindALinkInThePlaceOfTheCopies) {
  const std::string run = FreshDirectory(), foreign = run + "/foreign";
  Put(foreign, "a.tmp-1-0");
  fs::create_directory_symlink(foreign, run + "/copies");
  ASSERT_THAT(RemoveTemporaries(run), IsOk());
  EXPECT_TRUE(fs::exists(foreign + "/a.tmp-1-0"));
}

TEST(TemporaryFilesTest, AMissingDirectoryHasNone) {
  EXPECT_THAT(RemoveTemporaries(FreshDirectory() + "/absent"), IsOk());
}

}  // namespace
}  // namespace rcnn::training
