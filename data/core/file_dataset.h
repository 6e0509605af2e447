// A Dataset of image files, annotated by a table.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(AnnotationTable table, ReadVoc(config, folder));
//   auto dataset = std::make_unique<FileDataset>(std::move(table), DecodeOptions());

#ifndef RCNN_DATA_CORE_FILE_DATASET_H_
#define RCNN_DATA_CORE_FILE_DATASET_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/core/annotation_table.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/defect_report.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/decode_image.h"
#include "rcnn/data/image/image.h"

namespace rcnn::data {

class FileDataset : public Dataset {
 public:
  // The table, not the options, decides whether an image is turned.
  FileDataset(AnnotationTable table, const DecodeOptions& options);

  int64_t size() const override { return table_.num_images(); }
  const ClassList& classes() const override { return table_.classes; }
  ImageInfo image(int64_t index) const override;
  std::vector<Object> objects(int64_t index) const override;

  // kFailedPrecondition if the dataset was opened without its images.
  absl::StatusOr<std::shared_ptr<const Image>> LoadImage(int64_t index) const override;
  absl::StatusOr<std::string> ReadImageBytes(int64_t index) const override;

  const std::string& fingerprint() const override { return fingerprint_; }
  const DefectReport& defects() const override { return table_.defects; }
  bool inclusive_boxes() const override { return table_.inclusive_boxes; }

 protected:
  // Where the image is stored, for messages: the path of its file.
  virtual std::string Place(int64_t index) const { return table_.images[index].path; }

 private:
  const AnnotationTable table_;
  const DecodeOptions options_;
  const std::string fingerprint_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_CORE_FILE_DATASET_H_
