// OpenCV's readers and writers of image formats, loaded with the first image.
//
// libopencv_imgcodecs brings some 140 shared libraries, which cost a program
// 0.1 s and 45 MB at its start. A program that may never see an image (an
// evaluation of two JSON files, --help) does not pay for them: link this instead
// of @opencv//:imgcodecs.
//
// Thread-safe. Both functions throw cv::Exception as OpenCV's do, and where the
// library is not installed.
//
// Example: cv::Mat bgr = LoadedImdecode(bytes, cv::IMREAD_COLOR);

#ifndef RCNN_DATA_IMAGE_IMAGE_CODECS_H_
#define RCNN_DATA_IMAGE_IMAGE_CODECS_H_

#include <string>
#include <vector>

#include "opencv2/core.hpp"

namespace rcnn::data {

// cv::imdecode(bytes, flags): empty where the bytes are not an image.
cv::Mat LoadedImdecode(const cv::Mat& bytes, int flags);

// cv::imencode(extension, image, bytes, parameters): false where it cannot.
bool LoadedImencode(const std::string& extension, const cv::Mat& image,
                    std::vector<unsigned char>& bytes, const std::vector<int>& parameters);

}  // namespace rcnn::data

#endif  // RCNN_DATA_IMAGE_IMAGE_CODECS_H_
