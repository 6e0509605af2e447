// Any bytes as a TensorBoard file of a run that resumes: cutting it ends well, and cutting it
// again changes nothing.

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "rcnn/training/trainer/event_file.h"

namespace {

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using rcnn::training::CutEvents;
  static const std::string folder =
      (std::filesystem::temp_directory_path() / "event_file_fuzz_").string() +
      std::to_string(getpid());
  std::filesystem::create_directories(folder);
  const std::string path = folder + "/events.out.tfevents.1.host.1.1.fuzz";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  if (!CutEvents(folder, "fuzz", 3).ok()) std::abort();
  const std::string once = ReadAll(path);
  if (once.size() > size || !CutEvents(folder, "fuzz", 3).ok()) std::abort();
  if (ReadAll(path) != once) std::abort();
  return 0;
}
