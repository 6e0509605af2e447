// Loads a COCO instances file and prints how long that took and the process's peak
// memory; compare_coco_load.py alternates it with Python.
//
//   coco_load INSTANCES.json

#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "rcnn/base/counted.h"
#include "rcnn/base/program.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/coco/coco_reader.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/file_dataset.h"

namespace rcnn::data {
namespace {

absl::Status Load(int argc, char** argv) {
  if (argc != 2) {
    return absl::InvalidArgumentError(
        "expected one COCO instances file, as in coco_load annotations/instances_val2017.json");
  }
  const auto start = std::chrono::steady_clock::now();
  RCNN_ASSIGN_OR_RETURN(auto table, ReadCoco(configs::DatasetConfig(), argv[1], "", {}));
  const int64_t objects = static_cast<int64_t>(table.objects.size());
  const FileDataset dataset(std::move(table), {});
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%s, %s, %.3f s, %ld MB\n", Counted(dataset.size(), "image").c_str(),
              Counted(objects, "object").c_str(), seconds.count(), usage.ru_maxrss / 1024);
  return absl::OkStatus();
}

}  // namespace
}  // namespace rcnn::data

int main(int argc, char** argv) {
  rcnn::ProgramOptions program;
  program.usage =
      "Loads a COCO instances file and prints how long that took.\n\n"
      "  coco_load annotations/instances_val2017.json";
  program.takes_arguments = true;
  rcnn::InitProgram(program, &argc, &argv);
  return rcnn::ExitCode(rcnn::data::Load(argc, argv));
}
