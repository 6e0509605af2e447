// Loads a COCO instances file and prints how long that took and the process's
// peak memory; compare_coco_load.py runs it in turns with Python.
//
//   coco_load INSTANCES.json

#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/annotation_table.h"
#include "rcnn/data/coco_reader.h"
#include "rcnn/data/file_dataset.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: coco_load INSTANCES.json\n");
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  auto table = rcnn::data::ReadCoco(rcnn::configs::DatasetConfig(), argv[1], "", {});
  if (!table.ok()) {
    std::fprintf(stderr, "error: %s\n", std::string(table.status().message()).c_str());
    return 1;
  }
  const int64_t objects = static_cast<int64_t>(table->objects.size());
  const rcnn::data::FileDataset dataset(*std::move(table), {});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%ld images, %ld objects, %.3f s, %ld MB\n", static_cast<long>(dataset.size()),
              static_cast<long>(objects), seconds.count(), usage.ru_maxrss / 1024);
  return 0;
}
