// The folder that detect writes to, and which of its files are detect's own.
//
// manifest.json in that folder lists the files that detect writes there. It is written and
// sealed before the first of them, so it is complete even if the program is killed. A folder
// with a manifest holds the results of a run and is refused unless they are to be
// overwritten; then the listed files, and no others, are deleted. The list is not trusted: a
// name that detect never writes, or that is outside the folder, by ".." or through a link, is
// an error, and nothing is deleted.
//
// Example:
//   OutputFolder output = {"found", {"detections.json", "drawn/a.jpg"}, overwrite};
//   RCNN_RETURN_IF_ERROR(CheckOutputFolder(output, inputs));   // changes nothing
//   RCNN_ASSIGN_OR_RETURN(const FolderLock lock, ClaimOutputFolder(output));

#ifndef RCNN_TOOLS_DETECT_OUTPUT_H_
#define RCNN_TOOLS_DETECT_OUTPUT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rcnn/base/folder_lock.h"

namespace rcnn::tools {

inline constexpr char kManifestName[] = "manifest.json";

// The files of every run, without drawn images.
std::vector<std::string> ResultNames();

struct OutputFolder {
  std::string path;
  // What the run may write, relative to `path`: results, and JPEG files below drawn/.
  std::vector<std::string> files;
  // Whether the files of an earlier run are deleted.
  bool overwrite = false;
};

// The files that the manifest in `folder` lists; none if it has no manifest.
// kFailedPrecondition, naming the manifest, if it is damaged, is of another program, or
// lists anything that detect would not write.
absl::StatusOr<std::vector<std::string>> ReadManifest(const std::string& folder);

// kFailedPrecondition if the folder holds results of another run and they are not to be
// overwritten; if a file to be written exists and is not a result of detect; and if one of
// `inputs` would be overwritten or deleted. Other codes: the folder cannot be read, or a file or an
// input cannot be examined now, which may be the same.
absl::Status CheckOutputFolder(const OutputFolder& output, const std::vector<std::string>& inputs);

// Creates the folder, locks it, deletes what an earlier run wrote, and writes the manifest of this
// one. Checks again that all of it lies inside the folder and belongs to detect. Keep the lock
// until the results are written: kFailedPrecondition while another process has it.
absl::StatusOr<FolderLock> ClaimOutputFolder(const OutputFolder& output);

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DETECT_OUTPUT_H_
